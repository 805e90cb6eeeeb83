"""A full disk is told as what it is, wherever it shows: in a write, in the database, in git, in a sandbox."""

import errno
import os
import sqlite3
import tempfile
from pathlib import Path

from vibeserve.core.errors import DiskFull

LITTLE_BYTES = 128 << 10
_FULL = (errno.ENOSPC, errno.EDQUOT)
_SAID = ("No space left on device", "Disk quota exceeded", "database or disk is full")


def is_full(place: Path) -> bool:
    """Whether the disk of `place` has no room worth the name."""
    try:
        status = os.statvfs(place)
    except OSError:
        return False
    return status.f_bavail * status.f_frsize < LITTLE_BYTES


def disk_full(place: Path) -> DiskFull:
    """The error for a full disk: that of `place`, or that of temporary files where only the latter is full."""
    temporary = Path(tempfile.gettempdir())
    named = temporary if is_full(temporary) and not is_full(place) else place
    return DiskFull(
        f"The disk that holds {named} is full.",
        "What is on record stays. Free space on that disk, then call again; a run goes on with "
        "`vibeserve run --resume RUN`.",
    )


def as_disk_full(error: BaseException, place: Path) -> DiskFull | None:
    """The error for a full disk when that is what `error` comes from; None for any other."""
    if isinstance(error, DiskFull):
        return error
    if isinstance(error, OSError) and error.errno in _FULL:
        return disk_full(Path(error.filename) if isinstance(error.filename, str) else place)
    if says_full(str(error)) or (isinstance(error, OSError | sqlite3.Error) and is_full(place)):
        return disk_full(place)
    return None


def says_full(text: str) -> bool:
    """Whether a program's complaint is about a full disk."""
    return any(said in text for said in _SAID)


def require_room(place: Path) -> None:
    """Raise DiskFull when the disk of `place` is full."""
    if is_full(place):
        raise disk_full(place)
