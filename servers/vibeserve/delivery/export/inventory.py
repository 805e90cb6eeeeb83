"""What a folder holds, looked at without following a link or waiting on a pipe: an export may come from anybody."""

import hashlib
import os
import stat
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal["file", "link", "other"]


class Item(BaseModel):
    """One entry of a folder. Of a link the target's name is hashed; `other` is neither file, link nor folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    sha256: str
    size_bytes: int


def inventory(folder: Path) -> dict[str, Item]:
    """Every entry below a folder by its relative path, sorted; folders stand for nothing by themselves."""
    found: dict[str, Item] = {}
    for inner, folders, names in os.walk(folder, onerror=_raise):
        links = [name for name in folders if Path(inner, name).is_symlink()]
        for name in (*names, *links):
            path = Path(inner, name)
            found[path.relative_to(folder).as_posix()] = _item(path)
    return dict(sorted(found.items()))


def read_plain(path: Path, limit_bytes: int) -> bytes | None:
    """The content of a plain file; None for anything else, and for a file larger than `limit_bytes`."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or status.st_size > limit_bytes:
        os.close(handle)
        return None
    with os.fdopen(handle, "rb") as file:
        return file.read()


def _item(path: Path) -> Item:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        target = os.fsencode(path.readlink())
        return Item(kind="link", sha256=hashlib.sha256(target).hexdigest(), size_bytes=len(target))
    if not stat.S_ISREG(mode):
        return Item(kind="other", sha256="", size_bytes=0)
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Item(kind="file", sha256=digest, size_bytes=os.fstat(file.fileno()).st_size)


def _raise(error: OSError) -> None:
    """A folder that cannot be read must not look empty."""
    raise error
