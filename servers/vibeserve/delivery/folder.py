"""Files that appear in a folder all together or not at all."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vibeserve.core.errors import BadRequest, InfrastructureFailed
from vibeserve.core.folders import remove_folder


@contextmanager
def drafted(out: Path) -> Iterator[Path]:
    """A draft folder; what was written there is moved to `out` when the context ends well, else removed.

    Other files in `out` stay. BadRequest when nothing can be written there.
    """
    draft = _new_draft(out)
    try:
        yield draft
        with writing(out):
            _publish(draft, out)
    finally:
        remove_folder(draft)


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Turns a refusal of the system while writing for `out` into one clear sentence."""
    try:
        yield
    except OSError as error:
        raise InfrastructureFailed(
            f"Nothing could be written to {out}: {error.strerror or error}.",
            "Free space there or name another folder with --out, then call again; the run itself is untouched.",
        ) from error


def _new_draft(out: Path) -> Path:
    """Inside `out` where it exists, since it may be a mount of its own; else beside it."""
    if out.exists() and not out.is_dir():
        raise BadRequest(f"{out} is a file, not a folder.", "Name a folder with --out.")
    draft = (out if out.is_dir() else out.parent) / f".{out.name}.{secrets.token_hex(4)}.draft"
    try:
        draft.mkdir(parents=True)
    except OSError as error:
        raise BadRequest(
            f"Nothing can be written to {out}: {error.strerror or error}.",
            "Name a folder of your own, with space in it, with --out.",
        ) from error
    return draft


def _publish(draft: Path, out: Path) -> None:
    if not out.exists():
        draft.rename(out)
        return
    for path in sorted(draft.iterdir()):
        path.replace(out / path.name)
