"""Resetting the workspace and setting refs after a transaction, redone until done.

git and the workspace cannot join a database transaction. What has to happen there is noted inside the
transaction, done right after it, and done again by whoever comes next when the process was killed between.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vibeserve.core.errors import Refused
from vibeserve.core.locks import exclusive
from vibeserve.core.run import Run, Transaction
from vibeserve.lab.trees.repository import Repository
from vibeserve.lab.trees.walk import remove_folder

MIGRATIONS = [
    """
    CREATE TABLE pending_steps (
        number INTEGER PRIMARY KEY, step TEXT NOT NULL CHECK (step IN ('reset_workspace', 'set_ref')),
        name TEXT NOT NULL, object TEXT NOT NULL
    );
    """
]


@dataclass(frozen=True, slots=True)
class Kept:
    """Where the workspace's content was saved: as a tree, or moved to `set_aside/<name>`."""

    tree: str | None
    set_aside: str | None


def repository_of(run: Run) -> Repository:
    """The run's repository of candidates and checkpoints."""
    return Repository(run.layout.checkpoints)


def settle(run: Run) -> None:
    """Finish what a killed process left undone. Call it before the workspace or a ref is used."""
    if _pending(run):
        with workspace_lock(run):
            settle_locked(run)


@contextmanager
def workspace_lock(run: Run) -> Iterator[None]:
    """Only one process at a time resets the workspace."""
    run.database.migrate("workspace", MIGRATIONS)
    with exclusive(run.layout.root / "workspace.lock"):
        yield


def settle_locked(run: Run) -> None:
    """`settle` for a caller that holds the workspace's lock."""
    for row in _pending(run):
        if row["step"] == "reset_workspace":
            _reset(run, row["name"], row["object"])
        else:
            repository_of(run).set_ref(row["name"], row["object"])
        with run.database.tx() as connection:
            connection.execute("DELETE FROM pending_steps WHERE number = ?", (row["number"],))


def plan_reset(tx: Transaction, label: str, tree: str) -> None:
    """Note, inside a transaction, that the workspace is to become `tree`. `label` names what is set aside."""
    tx.execute("INSERT INTO pending_steps (step, name, object) VALUES ('reset_workspace', ?, ?)", (label, tree))


def plan_ref(tx: Transaction, ref: str, commit: str) -> None:
    """Note, inside a transaction, that `ref` is to point to `commit`."""
    tx.execute("INSERT INTO pending_steps (step, name, object) VALUES ('set_ref', ?, ?)", (ref, commit))


def keep_workspace(run: Run, label: str) -> Kept:
    """Save the workspace as it is; what no tree can hold is moved aside whole, so that nothing is lost."""
    run.layout.workspace.mkdir(exist_ok=True)
    try:
        return Kept(repository_of(run).snapshot(run.layout.workspace), None)
    except Refused:
        return Kept(None, _set_aside(run, label))


def _set_aside(run: Run, label: str) -> str:
    earlier = len(list(run.layout.set_aside.iterdir())) if run.layout.set_aside.is_dir() else 0
    folder = run.layout.set_aside / f"{label}-{earlier + 1}"
    folder.mkdir(parents=True)
    for entry in run.layout.workspace.iterdir():
        entry.rename(folder / entry.name)
    return folder.name


def _reset(run: Run, label: str, tree: str) -> None:
    """Make the workspace equal to `tree`, in place: clients and sandboxes hold on to the folder itself."""
    keep_workspace(run, label)
    empty_folder(run.layout.workspace)
    repository_of(run).checkout(tree, run.layout.workspace)


def empty_folder(folder: Path) -> None:
    """Remove everything in a folder, but not the folder."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            remove_folder(entry)
        else:
            entry.unlink()


def _pending(run: Run) -> list[sqlite3.Row]:
    run.database.migrate("workspace", MIGRATIONS)
    return run.database.read("SELECT * FROM pending_steps ORDER BY number")
