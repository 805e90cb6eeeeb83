"""Artifacts: logs, results and profiles, named by content, read in pages."""

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from vibeserve.core.errors import BadRequest, NotFound

PAGE_BYTES = 6000
_NAME = re.compile(r"^[0-9a-f]{12}-[A-Za-z0-9._-]+$")
# Control codes, and the invisible characters that reorder or hide text on a screen.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of an artifact. `next_offset` is None on the last page."""

    text: str
    total_bytes: int
    next_offset: int | None


class Artifacts:
    """The artifact folder of a run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes | str, label: str) -> str:
        """Store content and return its name, `<12 hex of SHA-256>-<label>`; the same content is one file."""
        data = content.encode("utf-8", "replace") if isinstance(content, str) else content
        name = f"{hashlib.sha256(data).hexdigest()[:12]}-{re.sub(r'[^A-Za-z0-9._-]', '_', label)[:60]}"
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=self._folder, prefix=".draft-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(draft).replace(self._folder / name)
        finally:
            Path(draft).unlink(missing_ok=True)
        return name

    def path(self, name: str) -> Path:
        """The file of an artifact, or NotFound."""
        if not _NAME.match(name):
            raise BadRequest(f"{name!r} is not an artifact's name.", "Use a name that a tool returned.")
        found = self._folder / name
        if not found.is_file():
            raise NotFound(f"There is no artifact {name}.", "Use a name that a tool of this run returned.")
        return found

    def is_intact(self, name: str) -> bool:
        """Whether the artifact is there and its content is what its name says."""
        path = self._folder / name
        return path.is_file() and name.startswith(hashlib.sha256(path.read_bytes()).hexdigest()[:12])

    def page(self, name: str, offset: int = 0, size_bytes: int = PAGE_BYTES) -> Page:
        """A page of an artifact as printable text."""
        path = self.path(name)
        total = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, offset))
            data = file.read(size_bytes)
        end = max(0, offset) + len(data)
        return Page(printable(data.decode("utf-8", "replace")), total, end if end < total else None)


def printable(text: str) -> str:
    """Text with control codes and invisible characters made visible: a candidate's text is hostile data."""
    return _UNPRINTABLE.sub(lambda match: ascii(match.group())[1:-1], text)
