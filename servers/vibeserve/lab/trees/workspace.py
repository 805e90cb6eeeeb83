"""Setting aside and resetting the workspace and setting refs after a transaction, redone until done.

git and the workspace cannot join a database transaction. What has to happen there is noted inside the
transaction, done right after it, and done again by whoever comes next when the process was killed between.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vibeserve.core.disk import as_disk_full
from vibeserve.core.errors import InfrastructureFailed, Refused
from vibeserve.core.folders import make_writable, remove_folder
from vibeserve.core.locks import exclusive
from vibeserve.core.run import Run, Transaction
from vibeserve.lab.trees.repository import Repository

MIGRATIONS = [
    """
    CREATE TABLE pending_steps (
        number INTEGER PRIMARY KEY, step TEXT NOT NULL CHECK (step IN ('reset_workspace', 'set_ref')),
        name TEXT NOT NULL, object TEXT NOT NULL
    );
    """,
    """
    CREATE TABLE steps_to_do (
        number INTEGER PRIMARY KEY,
        step TEXT NOT NULL CHECK (step IN ('set_aside', 'reset_workspace', 'set_ref')),
        name TEXT NOT NULL, object TEXT NOT NULL
    );
    INSERT INTO steps_to_do SELECT * FROM pending_steps;
    DROP TABLE pending_steps;
    ALTER TABLE steps_to_do RENAME TO pending_steps;
    CREATE TABLE kept_late (number INTEGER PRIMARY KEY, round TEXT NOT NULL, tree TEXT, set_aside TEXT);
    """,
]


@dataclass(frozen=True, slots=True)
class Kept:
    """Where the workspace's content is saved: as a tree, or moved to `set_aside/<name>`."""

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
        if row["step"] == "set_aside":
            _move_aside(run, row["name"])
        elif row["step"] == "reset_workspace":
            _reset(run, row["name"], row["object"])
        else:
            repository_of(run).set_ref(row["name"], row["object"])
        with run.database.tx() as connection:
            connection.execute("DELETE FROM pending_steps WHERE number = ?", (row["number"],))


def plan_set_aside(tx: Transaction, name: str) -> None:
    """Note, inside a transaction, that what stands in the workspace is to be moved to `set_aside/<name>`."""
    tx.execute("INSERT INTO pending_steps (step, name, object) VALUES ('set_aside', ?, '')", (name,))


def plan_reset(tx: Transaction, round_id: str, tree: str) -> None:
    """Note, inside a transaction, that the workspace is to become `tree`, for a round."""
    tx.execute("INSERT INTO pending_steps (step, name, object) VALUES ('reset_workspace', ?, ?)", (round_id, tree))


def plan_ref(tx: Transaction, ref: str, commit: str) -> None:
    """Note, inside a transaction, that `ref` is to point to `commit`."""
    tx.execute("INSERT INTO pending_steps (step, name, object) VALUES ('set_ref', ?, ?)", (ref, commit))


def workspace_tree(run: Run) -> str | None:
    """The workspace as a tree, which is kept; None when no tree can hold it."""
    run.layout.workspace.mkdir(exist_ok=True)
    try:
        return repository_of(run).snapshot(run.layout.workspace)
    except Refused:
        return None


def kept_late(run: Run, round_id: str) -> list[Kept]:
    """What was edited between a round's opening and the reset of its workspace, after a kill: kept all the same."""
    run.database.migrate("workspace", MIGRATIONS)
    rows = run.database.read("SELECT tree, set_aside FROM kept_late WHERE round = ? ORDER BY number", (round_id,))
    return [Kept(row["tree"], row["set_aside"]) for row in rows]


def _move_aside(run: Run, name: str) -> None:
    """Move all that stands in the workspace to `set_aside/<name>`, or beside it where a name is taken there."""
    folder = run.layout.set_aside / name
    for entry in run.layout.workspace.iterdir():
        folder.mkdir(parents=True, exist_ok=True)
        place, number = folder / entry.name, 1
        while place.exists() or place.is_symlink():
            number += 1
            place = folder / f"{entry.name}~{number}"
        if entry.is_dir() and not entry.is_symlink():
            make_writable(entry)  # a folder that is moved is written to
        entry.rename(place)


def _reset(run: Run, round_id: str, tree: str) -> None:
    """Make the workspace equal to `tree`, in place: clients and sandboxes hold on to the folder itself.

    The tree is checked out elsewhere and moved in: nobody who writes here can lead that out through a link.
    """
    _keep_late(run, round_id, tree)
    private = run.scratch("reset")
    try:
        repository_of(run).checkout(tree, private)
        empty_folder(run.layout.workspace)
        for entry in private.iterdir():
            entry.rename(run.layout.workspace / entry.name)
    except OSError as error:
        raise as_disk_full(error, run.layout.root) or InfrastructureFailed(
            f"The workspace could not be reset: {error}.",
            "Stop what writes there, then call again: the reset is then repeated.",
        ) from error
    finally:
        remove_folder(private)


def _keep_late(run: Run, round_id: str, tree: str) -> None:
    """Keep, on record, what stands in the workspace beyond what the round's opening kept."""
    opened = run.ledger.last("round.opened", round_id)
    expected = {tree, repository_of(run).empty_tree(), opened.body.get("workspace_snapshot") if opened else None}
    found = workspace_tree(run)
    if found in expected and found is not None:
        return
    aside = None if found else f"{round_id}-late-{len(kept_late(run, round_id)) + 1}"
    with run.database.tx() as connection:
        connection.execute("INSERT INTO kept_late (round, tree, set_aside) VALUES (?, ?, ?)", (round_id, found, aside))
    if aside:
        _move_aside(run, aside)


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
