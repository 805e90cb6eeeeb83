"""A tree without one earlier change: a three-way merge in git objects, file by file, nothing checked out.

The change led from one tree to the next; what came after it stays. Renames are a deletion and an addition here.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.lab.trees.repository import Repository
from vibeserve.lab.trees.walk import LINK

_MERGE_CONFLICTS_MAX = 127  # `git merge-file` ends with their number, and above this with an error

Entry = tuple[str, str]  # mode and blob
Files = dict[str, Entry]


@dataclass(frozen=True, slots=True)
class Clash:
    """A path where the change and what came after it cannot be told apart, and why, in plain words."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Without:
    """The tree without the change, None when there are clashes."""

    tree: str | None
    clashes: tuple[Clash, ...]


class _Inseparable(Exception):
    """The message says why one file cannot be merged."""


def without_change(repository: Repository, tree: str, *, before: str, after: str) -> Without:
    """`tree`, which descends from `after`, without the change from `before` to `after`."""
    base, ours, theirs = (_files(repository, one) for one in (after, tree, before))
    merged: Files = {}
    clashes = []
    for path in sorted(base.keys() | ours.keys() | theirs.keys()):
        try:
            entry = _merged(repository, base.get(path), ours.get(path), theirs.get(path))
        except _Inseparable as clash:
            clashes.append(Clash(path, str(clash)))
        else:
            merged |= {path: entry} if entry else {}
    clashes += _shadowed(merged)
    if clashes:
        return Without(None, tuple(clashes))
    return Without(repository.tree_of((mode, blob, path) for path, (mode, blob) in merged.items()), ())


def _files(repository: Repository, tree: str) -> Files:
    repository.require_tree(tree)
    return {file.path: (file.mode, file.blob) for file in repository.files(tree)}


def _merged(repository: Repository, base: Entry | None, ours: Entry | None, theirs: Entry | None) -> Entry | None:
    """What becomes of one path: `base` right after the change, `ours` now, `theirs` before the change."""
    if theirs in (base, ours):
        return ours
    if ours == base:
        return theirs
    if ours is None:
        raise _Inseparable("was edited by it and removed later")
    if theirs is None:
        raise _Inseparable("was added by it and edited later")
    if base is None:
        raise _Inseparable("was removed by it and written anew later")
    return _merged_mode(base, ours, theirs), _merged_blob(repository, base, ours, theirs)


def _merged_mode(base: Entry, ours: Entry, theirs: Entry) -> str:
    if LINK in (base[0], ours[0], theirs[0]):
        raise _Inseparable("is a symbolic link on one side and was changed on both")
    return theirs[0] if ours[0] == base[0] else ours[0]


def _merged_blob(repository: Repository, base: Entry, ours: Entry, theirs: Entry) -> str:
    """The blob with both changes: taken whole where only one side changed it, merged by lines otherwise."""
    if theirs[1] in (base[1], ours[1]):
        return ours[1]
    if ours[1] == base[1]:
        return theirs[1]
    contents = [repository.read(entry[1]) for entry in (ours, base, theirs)]
    if any(b"\0" in content for content in contents):
        raise _Inseparable("is binary and was changed by both")
    return repository.write(_merged_text(repository, contents))


def _merged_text(repository: Repository, contents: list[bytes]) -> bytes:
    """Ours, base and theirs merged by lines."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("ours", "base", "theirs")]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        status, merged, complaint = repository.git.attempt("merge-file", "-p", *map(str, paths))
    if not 0 <= status <= _MERGE_CONFLICTS_MAX:
        raise InfrastructureFailed("git could not merge a file.", "Call again.", evidence=complaint)
    if status:
        raise _Inseparable("was changed in the same lines later")
    return merged


def _shadowed(merged: Files) -> list[Clash]:
    """Files that stand where a folder of other files would have to be."""
    folders = {str(parent) for path in merged for parent in PurePosixPath(path).parents}
    return [Clash(path, "is a file on one side and a folder on the other") for path in sorted(folders & merged.keys())]
