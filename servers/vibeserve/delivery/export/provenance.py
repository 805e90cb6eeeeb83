"""The part of a ledger that goes with an export: written line by line with hashes and signatures, and read back."""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter

from vibeserve.core.database import Database
from vibeserve.core.keys import RunKey
from vibeserve.core.ledger import MIGRATIONS, Ledger, Record, canonical
from vibeserve.delivery.lineage import promotions_up_to

_RECORDS = TypeAdapter(Record)


def extract(ledger: Ledger, tree: str) -> list[Record]:
    """Every record about a promoted tree, its promoted ancestors and their rounds, and the run's creation."""
    line = promotions_up_to(ledger, tree)
    subjects = {record.subject for record in line} | {str(record.body["round"]) for record in line}
    return [record for record in ledger.records() if record.kind == "run.created" or record.subject in subjects]


def to_line(record: Record) -> str:
    """A record as one line of JSON: every field, so that its hash can be computed again."""
    return canonical(asdict(record))


def from_line(line: str) -> Record:
    """The record of a line; ValueError when it is none."""
    return _RECORDS.validate_python(json.loads(line))


@contextlib.contextmanager
def as_ledger(records: list[Record]) -> Iterator[Ledger]:
    """The records as a ledger that can be asked like a run's own; it is gone after the context."""
    with tempfile.TemporaryDirectory() as name:
        database = Database(Path(name, "extract.db"))
        try:
            database.migrate("ledger", MIGRATIONS)
            with database.tx() as connection:
                connection.executemany("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_row, records))
            yield Ledger(database, RunKey(Path(name, "none")), Path(name, "head"))
        finally:
            database.close()


def _row(record: Record) -> tuple[int | str, ...]:
    actor, body = canonical(record.actor.to_json()), canonical(record.body)
    return (record.seq, record.at, actor, record.kind, record.subject, body, record.prev, record.hash, record.signature)
