"""SQLite in WAL mode, with one kind of write: a BEGIN IMMEDIATE transaction."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vibeserve.core.disk import as_disk_full
from vibeserve.core.errors import InfrastructureFailed

BUSY_TIMEOUT_S = 30.0


class Database:
    """One SQLite file, one connection per thread.

    A deferred transaction that upgrades from read to write fails at once under contention whatever the
    busy timeout is, so every write takes the lock when it begins.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()

    def connection(self) -> sqlite3.Connection:
        """This thread's connection, opened on first use."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            with self._clear_errors():
                connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
                connection.row_factory = sqlite3.Row
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute("PRAGMA foreign_keys = ON")
            self._local.connection = connection
        return connection

    @contextmanager
    def tx(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: all of it or nothing. Transactions do not nest."""
        connection = self.connection()
        with self._clear_errors():
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk has rolled back already
                    connection.execute("ROLLBACK")
                raise

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """All rows of a query. Inside `tx()` on the same thread it sees the transaction's own writes."""
        with self._clear_errors():
            return self.connection().execute(sql, parameters).fetchall()

    def migrate(self, component: str, migrations: Sequence[str]) -> None:
        """Apply the numbered migrations of one component that this database has not seen.

        `migrations[n]` is number n + 1: one or more SQL statements. Published ones never change.
        """
        if self._applied(component) >= len(migrations):
            return
        with self.tx() as connection:
            for number in range(self._applied(component) + 1, len(migrations) + 1):
                for statement in _statements(migrations[number - 1]):
                    connection.execute(statement)
                connection.execute("INSERT INTO migrations VALUES (?, ?)", (component, number))

    def close(self) -> None:
        """Close this thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def _applied(self, component: str) -> int:
        with self._clear_errors():
            connection = self.connection()
            connection.execute(
                "CREATE TABLE IF NOT EXISTS migrations "
                "(component TEXT, number INTEGER, PRIMARY KEY (component, number))"
            )
            row = connection.execute(
                "SELECT coalesce(max(number), 0) FROM migrations WHERE component = ?", (component,)
            ).fetchone()
        return int(row[0])

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as error:
            raise as_disk_full(error, self.path.parent) or InfrastructureFailed(
                f"The run's database {self.path.name} could not be used: {error}.",
                "Nothing was written. Call again; restore the file from a copy if it is damaged.",
            ) from error


def _statements(script: str) -> Iterator[str]:
    """The complete SQL statements of a script (triggers hold semicolons of their own)."""
    pending = ""
    for piece in script.split(";"):
        pending += piece + ";"
        if sqlite3.complete_statement(pending):
            if pending.strip("; \n"):
                yield pending
            pending = ""
    if pending:
        yield pending
