"""A full disk is told as what it is, whatever noticed it."""

import errno
import sqlite3
from pathlib import Path

import pytest

from vibeserve.core import disk
from vibeserve.core.artifacts import Artifacts
from vibeserve.core.database import Database
from vibeserve.core.disk import as_disk_full, require_room
from vibeserve.core.errors import DiskFull, Refused
from vibeserve.lab.trees import Repository
from vibeserve.lab.trees.git import BareGit


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        sqlite3.OperationalError("database or disk is full"),
        RuntimeError("it broke: [Errno 28] No space left on device"),
    ],
)
def test_what_says_that_a_disk_is_full(tmp_path: Path, error: Exception) -> None:
    told = as_disk_full(error, tmp_path)
    assert told is not None and str(tmp_path) in told.message
    assert "What is on record stays" in told.next_step


def test_other_errors_are_left_alone_while_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (
        OSError(errno.EIO, "Input/output error"),
        sqlite3.OperationalError("disk I/O error"),
        ValueError("no"),
    ):
        assert as_disk_full(error, tmp_path) is None
    require_room(tmp_path)
    monkeypatch.setattr(disk, "is_full", lambda place: place == tmp_path)
    assert as_disk_full(sqlite3.OperationalError("unable to open database file"), tmp_path) is not None
    assert as_disk_full(ValueError("no"), tmp_path) is None
    with pytest.raises(DiskFull):
        require_room(tmp_path)


def test_the_disk_of_temporary_files_is_named_where_it_is_the_full_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "is_full", lambda place: place != tmp_path)
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/elsewhere/tmp")
    assert "/elsewhere/tmp" in disk.disk_full(tmp_path).message


def no_room(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_workspace_that_cannot_be_staged_is_not_called_unfit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal would have the workspace set aside: nothing is wrong with it."""
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "serve.py").write_text("serve()")
    repository = Repository(tmp_path / "checkpoints.git")
    assert repository.git
    monkeypatch.setattr(Path, "write_bytes", no_room)
    with pytest.raises(DiskFull) as failed:
        repository.snapshot(tmp_path / "workspace")
    assert not isinstance(failed.value, Refused)


def test_a_repository_that_cannot_be_made_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "rename", no_room)
    with pytest.raises(DiskFull):
        Repository(tmp_path / "checkpoints.git").empty_tree()
    assert list(tmp_path.iterdir()) == []


def test_git_says_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = (128, b"", "fatal: unable to write loose object file: No space left on device")
    monkeypatch.setattr(BareGit, "attempt", lambda *_, **__: full)
    with pytest.raises(DiskFull, match="checkpoints"):
        BareGit(tmp_path / "checkpoints.git").run("hash-object")


def test_a_database_without_room_writes_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "run.db")
    database.migrate("test", ["CREATE TABLE filled (text TEXT);"])
    pages = database.connection().execute("PRAGMA page_count").fetchone()[0]
    database.connection().execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(DiskFull), database.tx() as connection:
        connection.executemany("INSERT INTO filled VALUES (?)", [("x" * 4096,)] * 9)
    assert database.read("SELECT count(*) FROM filled")[0][0] == 0
    database.close()


def test_an_artifact_without_room_leaves_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "replace", no_room)
    with pytest.raises(OSError, match="No space left"):
        Artifacts(tmp_path).put("text", "log")
    assert list(tmp_path.iterdir()) == []
