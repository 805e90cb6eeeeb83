"""Reading a folder that a candidate wrote: every entry is looked at without following links, and copied.

Directories are entered and files opened relative to their parent's descriptor and never through a symbolic
link, so swapping one in while we read cannot make us read anything outside the folder.
"""

import errno
import os
import stat
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from vibeserve.core.disk import as_disk_full
from vibeserve.core.errors import Refused

FILE, PROGRAM, LINK = "100644", "100755", "120000"
IGNORED_DIRECTORIES = frozenset({"__pycache__"})
_HIDING_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What one tree may hold; as many folders as files."""

    files: int = 2000
    total_bytes: int = 64 * 2**20
    file_bytes: int = 16 * 2**20
    depth: int = 32


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or symbolic link: its path in the tree, git mode, and the staged copy of its bytes."""

    path: str
    mode: str
    staged: Path


@dataclass(slots=True)
class Walk:
    """One pass over a folder; `entries` fills as it goes."""

    staging: Path
    limits: Limits
    entries: list[Entry] = field(default_factory=list)
    total_bytes: int = 0
    folders: int = 0

    def folder(self, folder: Path) -> list[Entry]:
        """All entries of `folder`, sorted by path, their bytes copied into the staging folder."""
        try:
            root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as error:
            raise Refused(f"{folder.name} is not a folder that can be read.", "Restore it.") from error
        try:
            self._directory(root, "", 1)
        finally:
            os.close(root)
        return sorted(self.entries, key=lambda entry: entry.path)

    def _directory(self, directory: int, prefix: str, depth: int) -> None:
        if depth > self.limits.depth:
            raise refused(prefix, f"lies more than {self.limits.depth} folders deep", "Flatten it")
        self.folders += 1
        if self.folders > self.limits.files:
            raise refused(prefix, f"takes the tree over {self.limits.files} folders", "Remove folders")
        taken: dict[str, str] = {}
        for name in sorted(os.listdir(directory)):
            path = prefix + name
            _check_name(name, path, taken)
            try:
                self._entry(directory, name, path, depth)
            except OSError as error:
                raise as_disk_full(error, self.staging) or _unreadable(path, error) from error

    def _entry(self, directory: int, name: str, path: str, depth: int) -> None:
        mode = os.lstat(name, dir_fd=directory).st_mode
        if stat.S_ISDIR(mode):
            if name not in IGNORED_DIRECTORIES:
                self._subdirectory(directory, name, path, depth)
        elif stat.S_ISLNK(mode):
            self._link(os.readlink(name, dir_fd=directory), path)
        elif stat.S_ISREG(mode):
            self._file(directory, name, path)
        else:
            raise refused(path, "is neither a file, a folder nor a symbolic link", "Remove it")

    def _subdirectory(self, directory: int, name: str, path: str, depth: int) -> None:
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
        try:
            self._directory(inner, path + "/", depth + 1)
        finally:
            os.close(inner)

    def _link(self, target: str, path: str) -> None:
        """A link may climb first and descend then: with no `..` after a name, no chain of links gets out."""
        parts = [part for part in target.split("/") if part not in ("", ".")]
        climbs = next((index for index, part in enumerate(parts) if part != ".."), len(parts))
        if target.startswith("/") or ".." in parts[climbs:] or climbs > path.count("/"):
            raise refused(path, "is a symbolic link that may lead out of the tree", "Replace it by the file itself")
        if _hides_something(target):
            raise refused(path, "is a symbolic link to an unprintable name", "Rename its target")
        staged = self._reserve(path)
        staged.write_bytes(os.fsencode(target))
        self.entries.append(Entry(path, LINK, staged))

    def _file(self, directory: int, name: str, path: str) -> None:
        # Without O_NONBLOCK a pipe swapped in here would hang us.
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
        with os.fdopen(source, "rb") as file:
            status = os.fstat(source)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EAGAIN, "it is no longer a file")
            staged = self._reserve(path)
            self._copy(file, staged, path)
        self.entries.append(Entry(path, PROGRAM if status.st_mode & stat.S_IXUSR else FILE, staged))

    def _copy(self, source: object, staged: Path, path: str) -> None:
        """Copy at most one byte more than allowed: a file may grow while it is read."""
        allowed = min(self.limits.file_bytes, self.limits.total_bytes - self.total_bytes)
        data = source.read(allowed + 1)  # type: ignore[attr-defined]
        if len(data) > self.limits.file_bytes:
            raise refused(path, f"is larger than {_mib(self.limits.file_bytes)}", "Remove it or make it smaller")
        if len(data) > allowed:
            raise refused(path, f"takes the tree over {_mib(self.limits.total_bytes)}", "Remove what need not be in it")
        self.total_bytes += len(data)
        staged.write_bytes(data)

    def _reserve(self, path: str) -> Path:
        if len(self.entries) >= self.limits.files:
            raise refused(path, f"takes the tree over {self.limits.files} files", "Remove what need not be in it")
        return self.staging / str(len(self.entries))


def refused(path: str, problem: str, remedy: str) -> Refused:
    """The refusal of one entry, named so that control codes in its name stay harmless."""
    shown = ascii(path if len(path) <= 120 else f"…{path[-120:]}")
    return Refused(f"{shown} {problem}.", f"{remedy}, then call again.")


def _check_name(name: str, path: str, taken: dict[str, str]) -> None:
    if _hides_something(name):
        raise refused(path, "has a name with control or invisible characters", "Rename it")
    folded = unicodedata.normalize("NFC", name).casefold()
    if folded in (".git", "git~1"):
        raise refused(path, "is git's own, and a candidate may not carry a repository", "Remove it")
    if folded in taken:
        raise refused(path, f"differs only in case from {taken[folded]!a}", "Rename one of the two")
    taken[folded] = name


def _hides_something(name: str) -> bool:
    return any(unicodedata.category(character) in _HIDING_CATEGORIES for character in name)


def _unreadable(path: str, error: OSError) -> Refused:
    if error.errno in (errno.EACCES, errno.EPERM):
        return refused(path, "cannot be read", "Make it readable (chmod u+r) or remove it")
    return refused(path, "changed while it was read", "Stop what writes there")


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:g} MiB"
