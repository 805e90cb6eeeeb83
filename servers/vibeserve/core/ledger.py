"""The append-only, chained and signed record of a run.

Each record's hash covers its own fields and the hash before it; the run's Ed25519 key signs the hash. The
head is also written to a file beside the database, so that removing the last record shows.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from vibeserve.core.database import Database
from vibeserve.core.errors import InfrastructureFailed
from vibeserve.core.keys import RunKey
from vibeserve.core.locks import exclusive
from vibeserve.core.roles import Actor, Role

GENESIS = "0" * 64

MIGRATIONS = [
    """
    CREATE TABLE ledger (
        seq INTEGER PRIMARY KEY, at TEXT NOT NULL, actor TEXT NOT NULL, kind TEXT NOT NULL,
        subject TEXT NOT NULL, body TEXT NOT NULL,
        prev TEXT NOT NULL, hash TEXT NOT NULL, signature TEXT NOT NULL
    );
    CREATE INDEX ledger_by_kind ON ledger (kind, subject, seq);
    CREATE INDEX ledger_by_subject ON ledger (subject, seq);
    CREATE TRIGGER ledger_never_updated BEFORE UPDATE ON ledger
        BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER ledger_never_deleted BEFORE DELETE ON ledger
        BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
    """
]


@dataclass(frozen=True, slots=True)
class Record:
    """One ledger record. `subject` is what it is about: a tree id for evidence, else an issue, round …"""

    seq: int
    at: str
    actor: Actor
    kind: str
    subject: str
    body: dict[str, Any]
    prev: str
    hash: str
    signature: str


class Ledger:
    """The ledger of one run. Appending needs an open transaction of the same database."""

    def __init__(self, database: Database, key: RunKey, head_path: Path) -> None:
        self._database = database
        self._key = key
        self._head_path = head_path

    def append(
        self, connection: sqlite3.Connection, actor: Actor, kind: str, subject: str, body: dict[str, Any]
    ) -> Record:
        """Append one record inside `connection`'s transaction and return it."""
        last = connection.execute("SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1").fetchone()
        seq, prev = (last["seq"] + 1, last["hash"]) if last else (1, GENESIS)
        self._require_published_head(connection, seq - 1)
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        actor_text, body_text = canonical(actor.to_json()), canonical(body)
        digest = record_hash(seq, at, actor_text, kind, subject, body_text, prev)
        signature = self._key.sign(digest)
        connection.execute(
            "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (seq, at, actor_text, kind, subject, body_text, prev, digest, signature),
        )
        return Record(seq, at, actor, kind, subject, body, prev, digest, signature)

    def records(
        self,
        kinds: str | Iterable[str] = (),
        subject: str | None = None,
        *,
        session: str | None = None,
        after: int = 0,
        newest_first: bool = False,
        limit: int = -1,
    ) -> list[Record]:
        """Records of any of `kinds` (all when empty), about `subject`, by `session`, with seq > `after`."""
        wanted = [kinds] if isinstance(kinds, str) else list(kinds)
        clauses, values = ["seq > ?"], [after]
        parameters: list[Any] = values
        if wanted:
            clauses.append(f"kind IN ({', '.join('?' * len(wanted))})")
            parameters.extend(wanted)
        if subject is not None:
            clauses.append("subject = ?")
            parameters.append(subject)
        if session is not None:
            clauses.append("json_extract(actor, '$.session') = ?")
            parameters.append(session)
        order = "DESC" if newest_first else "ASC"
        sql = f"SELECT * FROM ledger WHERE {' AND '.join(clauses)} ORDER BY seq {order} LIMIT ?"  # noqa: S608
        return [from_row(row) for row in self._database.read(sql, [*parameters, limit])]

    def last(self, kinds: str | Iterable[str], subject: str | None = None) -> Record | None:
        """The newest record of any of `kinds`, about `subject` if given."""
        found = self.records(kinds, subject, newest_first=True, limit=1)
        return found[0] if found else None

    def count(self, kind: str) -> int:
        """How many records of one kind there are; numbers the next round, gate, measurement …"""
        return int(self._database.read("SELECT count(*) FROM ledger WHERE kind = ?", (kind,))[0][0])

    def _require_published_head(self, connection: sqlite3.Connection, newest: int) -> None:
        """Refuse to write on when the record that was published as the head is not there any more.

        Else a removed record would stop showing as soon as later ones had taken its number.
        """
        head = read_head(self._head_path)
        if head is None:
            intact = newest <= 1  # the first writer was killed before it published, or there is no record yet
        else:
            seq, digest, signature = head
            row = connection.execute("SELECT hash FROM ledger WHERE seq = ?", (seq,)).fetchone()
            signed = self._key.verify(f"{seq} {digest}", signature)
            intact = signed and row is not None and row["hash"] == digest
        if not intact:
            raise InfrastructureFailed(
                "The ledger is not the one whose head was published: records were removed or altered.",
                "Nothing was written. `vibeserve audit` names what is wrong; go on with an intact copy of the run.",
            )

    def publish_head(self) -> None:
        """Write the newest committed seq and hash to the head file; never backwards."""
        rows = self._database.read("SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1")
        if not rows:
            return
        seq, digest = rows[0]["seq"], rows[0]["hash"]
        with exclusive(Path(f"{self._head_path}.lock")):
            published = read_head(self._head_path)
            if published is None or published[0] < seq:
                draft = self._head_path.with_suffix(".draft")
                draft.write_text(f"{seq} {digest} {self._key.sign(f'{seq} {digest}')}\n")
                draft.replace(self._head_path)


def read_head(path: Path) -> tuple[int, str, str] | None:
    """The published head (seq, hash, signature), or None when there is none yet or it is unreadable."""
    try:
        seq, digest, signature = path.read_text().split()
        return int(seq), digest, signature
    except (FileNotFoundError, ValueError):
        return None


def canonical(value: dict[str, Any]) -> str:
    """The one JSON text of a value: sorted keys, no spaces, finite numbers only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def record_hash(*fields: int | str) -> str:
    """SHA-256 over (seq, at, actor, kind, subject, body, prev) as stored: no byte can change unnoticed."""
    text = json.dumps(fields, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def from_row(row: sqlite3.Row) -> Record:
    """A record from its stored row; InfrastructureFailed when it cannot be one."""
    try:
        return _from_row(row)
    except (ValueError, KeyError, TypeError) as error:
        raise InfrastructureFailed(
            f"Record {row['seq']} of the ledger cannot be read: {error}.",
            "`vibeserve audit` names the first broken record; go on with an intact copy of the run.",
        ) from error


def _from_row(row: sqlite3.Row) -> Record:
    return Record(
        seq=row["seq"],
        at=row["at"],
        actor=_actor(row["actor"]),
        kind=row["kind"],
        subject=row["subject"],
        body=json.loads(row["body"]),
        prev=row["prev"],
        hash=row["hash"],
        signature=row["signature"],
    )


@lru_cache(maxsize=256)
def _actor(stored: str) -> Actor:
    """An actor from its stored text, which all records of a turn share."""
    fields = json.loads(stored)
    return Actor(Role(fields["role"]), fields["session"], fields["client"], fields["assurance"])
