"""The database: one kind of write, migrations once, no traceback of SQLite for users."""

import multiprocessing
import sqlite3
from pathlib import Path

import pytest

from vibeserve.core.database import Database
from vibeserve.core.errors import InfrastructureFailed

TABLE = "CREATE TABLE counted (name TEXT PRIMARY KEY, number INTEGER NOT NULL CHECK (number >= 0));"
SEED = "INSERT INTO counted VALUES ('a;b', 0); INSERT INTO counted VALUES ('c', 0);"
INCREMENTS = 40


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(tmp_path / "run.db")
    made.migrate("test", [TABLE, SEED])
    return made


def number(database: Database) -> int:
    return int(database.read("SELECT number FROM counted WHERE name = 'c'")[0]["number"])


def increment(path: Path) -> None:
    """Reads, then writes: without the lock from the beginning, updates would be lost."""
    database = Database(path)
    for _ in range(INCREMENTS):
        with database.tx() as connection:
            seen = number(database)
            connection.execute("UPDATE counted SET number = ? WHERE name = 'c'", (seen + 1,))
    database.close()


def test_a_transaction_is_all_or_nothing(database: Database) -> None:
    with pytest.raises(KeyboardInterrupt), database.tx() as connection:
        connection.execute("UPDATE counted SET number = 7")
        assert number(database) == 7
        raise KeyboardInterrupt
    assert number(database) == 0
    with pytest.raises(sqlite3.IntegrityError), database.tx() as connection:
        connection.execute("UPDATE counted SET number = 7")
        connection.execute("UPDATE counted SET number = -1")
    assert number(database) == 0


def test_processes_side_by_side_lose_no_update(database: Database) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=increment, args=(database.path,)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert number(database) == 3 * INCREMENTS


def test_migrations_are_applied_once_and_in_order(database: Database) -> None:
    database.migrate("test", [TABLE, SEED])
    database.migrate("test", [TABLE, SEED, "UPDATE counted SET number = number + 1;"])
    database.migrate("test", [TABLE, SEED, "UPDATE counted SET number = number + 1;"])
    database.migrate("other", ["UPDATE counted SET number = number + 10;"])
    assert number(database) == 11


def test_a_migration_that_fails_changes_nothing(database: Database) -> None:
    broken = "UPDATE counted SET number = 5; UPDATE absent SET x = 1;"
    with pytest.raises(InfrastructureFailed, match="no such table: absent"):
        database.migrate("test", [TABLE, SEED, broken])
    assert number(database) == 0
    database.migrate("test", [TABLE, SEED, "UPDATE counted SET number = 5;"])
    assert number(database) == 5


def test_a_file_that_is_no_database_is_told_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    path.write_bytes(b"nonsense " * 200)
    with pytest.raises(InfrastructureFailed, match="could not be used") as failure:
        Database(path).read("SELECT 1 FROM ledger")
    assert "Nothing was written" in failure.value.next_step
