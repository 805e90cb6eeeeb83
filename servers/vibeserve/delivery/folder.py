"""Files that are finished in a draft and then moved to their folder: one that fails half-way leaves nothing there."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vibeserve.core.errors import BadRequest, InfrastructureFailed
from vibeserve.core.folders import remove_folder


@contextmanager
def drafted(out: Path, *, fresh: bool = False) -> Iterator[Path]:
    """A draft folder; what was written there is moved to `out` when the context ends well, else removed.

    `out` appears at once and whole where it was not there; else its files are replaced one by one and others stay.
    `fresh`: nothing is moved to an `out` that somebody else made meanwhile. BadRequest when nothing can be written.
    """
    draft = _new_draft(out)
    try:
        yield draft
        with writing(out):
            _publish(draft, out, fresh=fresh)
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


def _publish(draft: Path, out: Path, *, fresh: bool) -> None:
    if fresh or not out.exists():
        draft.rename(out)  # the system refuses where files are
        return
    for path in sorted(draft.iterdir()):
        path.replace(out / path.name)
