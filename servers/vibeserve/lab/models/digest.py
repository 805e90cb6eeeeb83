"""What a model's folder holds, as one digest."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

Progress = Callable[[str], None]

LEFT_OUT = frozenset({".cache", ".git", "__pycache__"})


def silent(_message: str) -> None:
    """Progress that nobody reads."""


def folder_digest(folder: Path, cache: Path, progress: Progress = silent) -> str:
    """SHA-256 over relative names and contents; kept in the cache for as long as no file's status changes."""
    files = model_files(folder)
    listing = _listing(folder, files)
    memo = cache / "digests" / f"{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:32]}.json"
    known = _read_memo(memo)
    if known.get("listing") == listing:
        return known["digest"]
    digest = _content_digest(folder, files, progress)
    _write_atomically(memo, json.dumps({"listing": listing, "digest": digest}))
    return digest


def model_files(folder: Path) -> list[Path]:
    """The files of a model's folder (links are followed, as in a hub cache), sorted; caches left out."""
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and not LEFT_OUT & set(path.relative_to(folder).parts)
    )


def _listing(folder: Path, files: list[Path]) -> str:
    """A digest of names, sizes and times: equal for as long as no file was written."""
    listing = hashlib.sha256()
    for file in files:
        status = file.stat()
        name = file.relative_to(folder).as_posix()
        listing.update(f"{name}\0{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}\0".encode())
    return listing.hexdigest()


def _content_digest(folder: Path, files: list[Path], progress: Progress) -> str:
    digest = hashlib.sha256()
    for number, file in enumerate(files, start=1):
        progress(f"reading the model: file {number} of {len(files)}")
        with file.open("rb") as content:
            one = hashlib.file_digest(content, "sha256").hexdigest()
        digest.update(f"{file.relative_to(folder).as_posix()}\0{one}\0".encode())
    return digest.hexdigest()


def _read_memo(memo: Path) -> dict[str, str]:
    try:
        known: dict[str, str] = json.loads(memo.read_text())
    except (OSError, ValueError):
        return {}
    return known


def _write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(draft).replace(path)
