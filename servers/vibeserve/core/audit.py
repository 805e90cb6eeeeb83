"""The audit of a ledger: chain, signatures, head, the evidence behind every promotion, and that it is still there."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from vibeserve.core.evidence import evidence_on
from vibeserve.core.ledger import GENESIS, read_head, record_hash
from vibeserve.core.run import Run
from vibeserve.core.target import digest_folder


@dataclass(frozen=True, slots=True)
class Audit:
    """The outcome. `broken_seq` is the first broken record, or the missing one; None when clean."""

    ok: bool
    records: int
    promotions: int
    broken_seq: int | None
    problem: str
    head: str


def audit(run: Run) -> Audit:
    """Check the whole ledger of a run and stop at the first thing that is broken."""
    rows = run.database.read("SELECT * FROM ledger ORDER BY seq")
    prev = GENESIS
    for expected, row in enumerate(rows, start=1):
        problem = _record_problem(run, row, expected, prev)
        if problem:
            return Audit(False, len(rows), 0, expected, problem, prev)
        prev = row["hash"]
    for seq, problem in _head_problems(run, {row["seq"]: row["hash"] for row in rows}):
        return Audit(False, len(rows), 0, seq, problem, prev)
    promotions = run.ledger.records("checkpoint.promoted")
    for record in promotions:
        evidence = evidence_on(run.ledger, record.subject, record.body["target_digest"], before=record.seq)
        missing = evidence.missing_for_promotion()
        if missing:
            problem = f"tree {record.subject[:12]} was promoted without {' and '.join(missing)}"
            return Audit(False, len(rows), len(promotions), record.seq, problem, prev)
    for seq, problem in _lost_evidence(run):
        return Audit(False, len(rows), len(promotions), seq, problem, prev)
    return Audit(True, len(rows), len(promotions), None, "", prev)


def _lost_evidence(run: Run) -> Iterator[tuple[int, str]]:
    """What the records name and the run does not hold any more, or holds altered."""
    created = run.created
    if digest_folder(run.layout.target)[:32] != created.body["target_digest"][:32]:
        yield created.seq, "the target's snapshot was altered after the run was made"
    for record in run.ledger.records():
        name = record.body.get("artifact")
        if name and not run.artifacts.is_intact(name):
            yield record.seq, f"its artifact {name} is gone or altered"


def _record_problem(run: Run, row: sqlite3.Row, expected: int, prev: str) -> str:
    """What is wrong with one stored record, or nothing."""
    if row["seq"] != expected:
        return f"record {expected} is missing; the next one there is {row['seq']}"
    if row["prev"] != prev:
        return "its link to the record before it is broken"
    try:
        digest = record_hash(*(row[name] for name in ("seq", "at", "actor", "kind", "subject", "body", "prev")))
        if digest != row["hash"]:
            return "its content does not match its hash"
        signed = run.key.verify(digest, row["signature"])
    except (TypeError, ValueError) as error:
        return f"it cannot be read ({error})"
    return "" if signed else "its signature is not by this run's key"


def _head_problems(run: Run, hashes: dict[int, str]) -> Iterator[tuple[int, str]]:
    """Disagreements between the published head and the database.

    The head may lag behind by records whose writer was killed before publishing; it may never be ahead.
    """
    head = read_head(run.layout.head)
    if head is None:
        yield max(hashes, default=0), "the head file ledger.head is missing or unreadable"
        return
    seq, digest, signature = head
    if not run.key.verify(f"{seq} {digest}", signature):
        yield seq, "the head file ledger.head is not signed by this run's key"
    elif seq not in hashes:
        yield seq, f"record {seq} was published as the head and has been removed"
    elif hashes[seq] != digest:
        yield seq, "it is not the record that was published as the head"
