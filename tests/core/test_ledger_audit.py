"""The audit: no byte of any record changes unnoticed, no record vanishes, no promotion lacks its evidence."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vibeserve.core.audit import audit
from vibeserve.core.database import Database
from vibeserve.core.errors import InfrastructureFailed
from vibeserve.core.keys import RunKey
from vibeserve.core.ledger import record_hash
from vibeserve.core.run import Run
from vibeserve.core.session import Session

FIELDS = ("seq", "at", "actor", "kind", "subject", "body", "prev", "hash", "signature")
Sessions = Callable[..., Session]


@pytest.fixture
def filled(run: Run, session: Sessions) -> Run:
    """A run with a few records of its own."""
    for number in range(1, 4):
        with run.tx() as tx:
            session("judge").append(tx, "issue.filed", f"I{number}", {"issue": f"I{number}", "title": "\u6f22 \u00e9"})
    return run


@pytest.fixture
def tampered(filled: Run) -> Callable[..., None]:
    """Writes to the ledger behind the ledger's back."""

    def change(sql: str, *parameters: Any) -> None:
        connection = sqlite3.connect(filled.layout.database)
        for trigger in ("ledger_never_updated", "ledger_never_deleted"):
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        connection.execute(sql, parameters)
        connection.commit()
        connection.close()

    return change


def altered(value: int | str, position: int) -> int | str:
    """The value with one byte changed, at that fraction of its length."""
    if isinstance(value, int):
        return value + 100
    index = min(len(value) - 1, len(value) * position // 4)
    character = value[index]
    other = character.swapcase() if character.swapcase() != character else chr(ord(character) ^ 1)
    return value[:index] + other + value[index + 1 :]


def test_a_run_that_nobody_touched_is_clean(filled: Run) -> None:
    found = audit(filled)
    assert (found.ok, found.records, found.broken_seq, found.problem) == (True, 4, None, "")


@pytest.mark.parametrize("position", range(5))
@pytest.mark.parametrize("field", FIELDS)
def test_any_byte_of_any_field_of_any_record_is_noticed(
    filled: Run, tampered: Callable[..., None], field: str, position: int
) -> None:
    for seq in range(1, 5):
        stored = filled.database.read(f"SELECT {field} FROM ledger WHERE seq = ?", (seq,))[0][field]
        changed = altered(stored, position)
        assert changed != stored
        tampered(f"UPDATE ledger SET {field} = ? WHERE seq = ?", changed, seq)
        found = audit(filled)
        assert not found.ok, f"{field} of record {seq}: {stored!r} became {changed!r}"
        assert found.broken_seq == seq
        assert found.problem
        tampered(f"UPDATE ledger SET {field} = ? WHERE seq = ?", stored, changed if field == "seq" else seq)
        assert audit(filled).ok


def test_a_removed_last_record_is_noticed(filled: Run, tampered: Callable[..., None]) -> None:
    tampered("DELETE FROM ledger WHERE seq = 4")
    found = audit(filled)
    assert (found.ok, found.broken_seq) == (False, 4)
    assert "has been removed" in found.problem


def test_a_removed_record_in_between_is_noticed(filled: Run, tampered: Callable[..., None]) -> None:
    tampered("DELETE FROM ledger WHERE seq = 2")
    found = audit(filled)
    assert (found.broken_seq, found.problem) == (2, "record 2 is missing; the next one there is 3")


def test_an_emptied_ledger_is_noticed(filled: Run, tampered: Callable[..., None]) -> None:
    tampered("DELETE FROM ledger")
    assert not audit(filled).ok


def test_a_rewritten_record_with_a_fitting_hash_is_noticed(filled: Run, tampered: Callable[..., None]) -> None:
    """Without the run's key a whole new chain can be computed, and not signed."""
    row = filled.database.read("SELECT * FROM ledger WHERE seq = 4")[0]
    body = row["body"].replace("I3", "I9")
    digest = record_hash(*(row[name] if name != "body" else body for name in FIELDS[:7]))
    forged = RunKey.create(filled.layout.root / "forged.key").sign(digest)
    tampered("UPDATE ledger SET body = ?, hash = ?, signature = ? WHERE seq = 4", body, digest, forged)
    found = audit(filled)
    assert (found.broken_seq, found.problem) == (4, "its signature is not by this run's key")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda path: path.unlink(), "missing or unreadable"),
        (lambda path: path.write_text("nonsense"), "missing or unreadable"),
        (lambda path: path.write_text(altered(path.read_text().strip(), 4)), "not signed"),
        (lambda path: path.write_text("3 " + path.read_text().split(maxsplit=1)[1]), "not signed"),
    ],
)
def test_a_damaged_head_is_noticed(filled: Run, damage: Callable[[Path], None], problem: str) -> None:
    damage(filled.layout.head)
    found = audit(filled)
    assert not found.ok
    assert problem in found.problem


def test_a_head_that_lags_after_a_kill_is_no_problem(filled: Run, session: Sessions) -> None:
    """A writer killed between commit and publishing; the next writer publishes its own."""
    with filled.database.tx() as connection:
        filled.ledger.append(connection, session("judge").actor, "issue.filed", "I4", {"issue": "I4"})
    assert audit(filled).ok
    with filled.tx() as tx:
        session("judge").append(tx, "issue.filed", "I5", {"issue": "I5"})
    assert filled.layout.head.read_text().startswith("6 ")


@pytest.mark.parametrize("statement", ["UPDATE ledger SET kind = 'x'", "DELETE FROM ledger WHERE seq = 1"])
def test_the_ledger_only_grows(filled: Run, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="append-only"), filled.database.tx() as connection:
        connection.execute(statement)


def test_a_promotion_without_evidence_is_noticed(filled: Run, session: Sessions) -> None:
    judge, tree = session("judge"), "a" * 40
    known = {"tree": tree, "target_digest": filled.target_digest}

    def append(kind: str, **body: Any) -> None:
        with filled.tx() as tx:
            judge.append(tx, kind, tree, known | body)

    append("gate.passed", gate="G1")
    append("verdict.given", verdict_id="V1", verdict="pass")
    append("measurement.recorded", measurement="M1", target_digest="of another target")
    append("checkpoint.promoted", checkpoint=tree)
    append("measurement.recorded", measurement="M2")
    found = audit(filled)
    assert (found.ok, found.broken_seq) == (False, 8)
    assert "promoted without a measurement" in found.problem


def test_what_is_appended_outside_a_transaction_is_rolled_back_with_it(filled: Run, session: Sessions) -> None:
    with pytest.raises(RuntimeError), filled.tx() as tx:
        session("judge").append(tx, "issue.filed", "I4", {"issue": "I4"})
        raise RuntimeError
    assert filled.ledger.count("issue.filed") == 3
    assert audit(filled).ok


def test_records_are_found_by_kind_subject_session_and_order(filled: Run, session: Sessions) -> None:
    with filled.tx() as tx:
        session("human", "S-other").append(tx, "issue.updated", "I2", {"issue": "I2"})
    ledger = filled.ledger
    assert [record.subject for record in ledger.records("issue.filed")] == ["I1", "I2", "I3"]
    assert [record.kind for record in ledger.records((), "I2")] == ["issue.filed", "issue.updated"]
    assert [record.seq for record in ledger.records(session="S-other")] == [5]
    assert [record.seq for record in ledger.records(newest_first=True, limit=2)] == [5, 4]
    assert [record.seq for record in ledger.records(after=3)] == [4, 5]
    newest = ledger.last(("issue.filed", "issue.updated"))
    assert newest is not None
    assert newest.seq == 5
    assert ledger.last("round.opened") is None


def test_a_run_whose_key_is_gone_says_so(filled: Run) -> None:
    filled.layout.key.unlink()
    run = Run(filled.layout)
    with pytest.raises(InfrastructureFailed, match=r"run\.key cannot be read"):
        audit(run)
    run.database.close()


def test_the_key_is_private_and_made_once(filled: Run) -> None:
    assert filled.layout.key.stat().st_mode & 0o777 == 0o600
    assert filled.created.body["public_key"] == filled.key.public_hex
    with pytest.raises(FileExistsError):
        RunKey.create(filled.layout.key)


def test_the_ledger_reads_without_the_run(filled: Run) -> None:
    rows = Database(filled.layout.database).read("SELECT kind FROM ledger ORDER BY seq")
    assert [row["kind"] for row in rows] == ["run.created", *["issue.filed"] * 3]


def test_nothing_is_written_onto_a_ledger_that_lost_records(filled: Run, tampered: Callable[..., None]) -> None:
    """Else later records would take the numbers of the removed ones, and the audit would find nothing."""
    tampered("DELETE FROM ledger WHERE seq = 4")
    for _ in range(2):
        with pytest.raises(InfrastructureFailed, match="removed or altered"), filled.tx() as tx:
            tx.append(filled.created.actor, "issue.filed", "I9", {"issue": "I9"})
    assert audit(filled).broken_seq == 4


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("nonsense")])
def test_nothing_is_written_without_the_head(filled: Run, damage: Callable[[Path], None]) -> None:
    damage(filled.layout.head)
    with pytest.raises(InfrastructureFailed, match="removed or altered"), filled.tx() as tx:
        tx.append(filled.created.actor, "issue.filed", "I9", {"issue": "I9"})


def test_a_head_that_cannot_be_published_loses_nothing(filled: Run, session: Sessions) -> None:
    """As on a full disk: the record is committed, the head lags, and the next writer catches up."""
    draft = filled.layout.head.with_suffix(".draft")
    draft.mkdir()
    with filled.tx() as tx:
        session("judge").append(tx, "issue.filed", "I4", {"issue": "I4"})
    assert filled.layout.head.read_text().startswith("4 ")
    draft.rmdir()
    with filled.tx() as tx:
        session("judge").append(tx, "issue.filed", "I5", {"issue": "I5"})
    assert filled.layout.head.read_text().startswith("6 ")
    assert audit(filled).ok


def test_an_altered_snapshot_of_the_target_is_noticed(filled: Run) -> None:
    path = filled.layout.target / "check.py"
    path.chmod(0o644)
    path.write_text("print('always right')")
    found = audit(filled)
    assert (found.ok, found.broken_seq) == (False, 1)
    assert "snapshot" in found.problem


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("other")])
def test_an_artifact_that_is_gone_or_altered_is_noticed(
    filled: Run, session: Sessions, damage: Callable[[Path], None]
) -> None:
    name = filled.artifacts.put("the evidence", "gate.txt")
    with filled.tx() as tx:
        session("judge").append(tx, "gate.passed", "tree", {"gate": "G1", "artifact": name})
    assert audit(filled).ok
    damage(filled.artifacts.path(name))
    found = audit(filled)
    assert (found.ok, found.broken_seq) == (False, 5)
    assert name in found.problem
