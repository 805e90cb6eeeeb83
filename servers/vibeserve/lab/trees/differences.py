"""What changed between two trees: a summary of the files, and the patch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from vibeserve.lab.trees.repository import Repository

Change = Literal["added", "deleted", "modified", "renamed", "retyped"]

_CHANGES: dict[str, Change] = {
    "A": "added",
    "D": "deleted",
    "M": "modified",
    "R": "renamed",
    "T": "retyped",
}
_COMPARE = ("diff-tree", "-r", "-M", "--no-ext-diff", "--no-textconv", "--full-index")


@dataclass(frozen=True, slots=True)
class FileChange:
    """One changed file. The line counts are None for a binary file; `old_path` is set when it was renamed."""

    path: str
    change: Change
    old_path: str | None
    added_lines: int | None
    deleted_lines: int | None


def changed_files(repository: Repository, before: str, after: str) -> list[FileChange]:
    """The files that differ between two trees, sorted by path; renames are recognised."""
    repository.require_tree(before)
    repository.require_tree(after)
    output = repository.git.run(*_COMPARE, "--raw", "--numstat", "-z", before, after).decode()
    fields = iter(output.split("\0")[:-1])
    kinds: dict[str, tuple[Change, str | None]] = {}
    changes = []
    for item in fields:
        if item.startswith(":"):
            path, kind = _raw(item, fields)
            kinds[path] = kind
        else:
            path, added, deleted = _counts(item, fields)
            change, old_path = kinds[path]
            changes.append(FileChange(path, change, old_path, added, deleted))
    return sorted(changes, key=lambda change: change.path)


def patch(repository: Repository, before: str, after: str, path: str | None = None) -> str:
    """The patch between two trees; of one file only when `path` is given, binary files then shown as text."""
    repository.require_tree(before)
    repository.require_tree(after)
    # A NUL byte is enough to make a file "binary": who asks for one file sees its bytes.
    narrowed = () if path is None else ("--text", "--", f":(literal){path}")
    options = narrowed[:1]
    return repository.git.run(*_COMPARE, "-p", *options, before, after, *narrowed[1:]).decode("utf-8", "replace")


def _raw(item: str, fields: Iterator[str]) -> tuple[str, tuple[Change, str | None]]:
    """One `:modes blobs status` item with the one or two paths that follow it."""
    letter = item.rpartition(" ")[2][0]
    first = next(fields)
    path, old_path = (next(fields), first) if letter == "R" else (first, None)
    return path, (_CHANGES[letter], old_path)


def _counts(item: str, fields: Iterator[str]) -> tuple[str, int | None, int | None]:
    """One `added TAB deleted TAB path` item; a renamed file's two paths follow it instead."""
    added, deleted, path = item.split("\t", 2)
    if not path:
        next(fields)
        path = next(fields)
    return path, *(None if count == "-" else int(count) for count in (added, deleted))  # type: ignore[return-value]
