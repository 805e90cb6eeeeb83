"""A round in full, and all rounds in lines."""

from vibeserve.checkpoints.finding import REFERENCE, history, require_round
from vibeserve.checkpoints.next_step import next_step
from vibeserve.checkpoints.results import (
    CandidateSummary,
    CheckpointRow,
    Checkpoints,
    GateSummary,
    MeasurementSummary,
    RoundView,
    VerdictSummary,
)
from vibeserve.core.backlog import backlog
from vibeserve.core.errors import BadRequest
from vibeserve.core.ledger import Record
from vibeserve.core.rounds import Attempt, Round
from vibeserve.core.session import Session
from vibeserve.core.texts import excerpt, fenced
from vibeserve.lab.trees.workspace import kept_late, settle

SHOWN_CANDIDATES = 3
SHOWN_MEASUREMENTS = 2
LATEST_TEXT_BYTES, EARLIER_TEXT_BYTES = 800, 200
SHOWN_KEPT = 3
ROWS = 20


def show_round(session: Session, name: str | None) -> RoundView:
    """The named round, or the open one."""
    run = session.run
    settle(run)
    item = require_round(history(run), name)
    opened, closed = item.opened.body, item.closed.body if item.closed else {}
    shown = item.attempts[-SHOWN_CANDIDATES:]
    latest = shown[-1] if shown and not item.closed else None
    decided = next((one for one in item.attempts if one.tree == closed.get("tree")), latest)
    return RoundView(
        round=item.id,
        issue=opened["issue"],
        title=backlog(run.ledger)[opened["issue"]].title,
        decision=item.decision,
        hypothesis=opened["hypothesis"],
        criteria=opened["criteria"],
        base=opened["base"],
        base_tree=opened["base_tree"],
        attempts=opened["attempts"],
        attempts_left=opened["attempts"] - len(item.attempts),
        candidates=[_candidate(attempt, attempt is latest) for attempt in shown],
        earlier_candidates=len(item.attempts) - len(shown),
        next_step=next_step(item),
        hypothesis_status=closed.get("hypothesis_status"),
        issue_status=closed.get("issue_status"),
        reason=closed.get("reason"),
        served_note=decided.unserved_note if decided else None,
        kept_late=[str(kept.tree or kept.set_aside) for kept in kept_late(run, item.id)][-SHOWN_KEPT:] or None,
    )


def list_checkpoints(session: Session, cursor: str | None) -> Checkpoints:
    """A page of rounds, newest first; `cursor` is the last round of the page before."""
    past = history(session.run)
    promoted = session.run.ledger.last("checkpoint.promoted")
    names = [item.id for item in past]
    if cursor is not None and cursor not in names:
        raise BadRequest(f"{cursor[:60]!a} is no cursor.", "Use next_cursor of the page before.")
    remaining = list(reversed(past if cursor is None else past[: names.index(cursor)]))
    page = remaining[:ROWS]
    return Checkpoints(
        newest=promoted.subject if promoted else REFERENCE,
        rows=[_row(item) for item in page],
        next_cursor=page[-1].id if len(remaining) > ROWS else None,
    )


def _row(item: Round) -> CheckpointRow:
    closed = item.closed.body if item.closed else {}
    latest = item.attempts[-1] if item.attempts else None
    tree = closed.get("tree") or (latest.tree if latest else None)
    decided = next((attempt for attempt in item.attempts if attempt.tree == tree), None)
    measured = decided.measured_against("parent") if decided else None
    return CheckpointRow(
        round=item.id,
        issue=item.opened.body["issue"],
        decision=item.decision,
        hypothesis_status=closed.get("hypothesis_status"),
        candidates=len(item.attempts),
        tree=tree,
        parent=item.opened.body["base"][:12],
        ratio=round(measured.body["ratio"], 4) if measured else None,
        outcome=measured.body["outcome"] if measured else None,
    )


def _candidate(attempt: Attempt, latest: bool) -> CandidateSummary:
    limit = LATEST_TEXT_BYTES if latest else EARLIER_TEXT_BYTES
    evidence = attempt.evidence
    return CandidateSummary(
        candidate=attempt.candidate,
        attempt=attempt.submitted.body["attempt"],
        tree=attempt.tree,
        note=fenced(excerpt(attempt.submitted.body["note"], limit // 2)),
        gate=_gate(attempt, limit),
        verdict=_verdict(evidence.verdict, limit),
        measurements=[_measurement(record) for record in evidence.measurements[-SHOWN_MEASUREMENTS:]],
        evaluation=evidence.evaluation.body["evaluation"] if evidence.evaluation else None,
    )


def _gate(attempt: Attempt, limit_bytes: int) -> GateSummary | None:
    record, stage = attempt.evidence.gate, attempt.failed_stage
    if record is None:
        return None
    return GateSummary(
        gate=record.body["gate"],
        outcome=attempt.gate_status,
        stage=stage["name"] if stage else None,
        feedback=fenced(excerpt(stage["feedback"], limit_bytes)) if stage else None,
    )


def _verdict(record: Record | None, limit_bytes: int) -> VerdictSummary | None:
    if record is None:
        return None
    body = record.body
    return VerdictSummary(
        verdict_id=body["verdict_id"],
        verdict=body["verdict"],
        feedback=excerpt(body["feedback"], limit_bytes),
    )


def _measurement(record: Record) -> MeasurementSummary:
    body = record.body
    return MeasurementSummary(
        measurement=body["measurement"],
        against=body["against"],
        ratio=round(body["ratio"], 4),
        ci95=(round(body["ci95"][0], 4), round(body["ci95"][1], 4)),
        outcome=body["outcome"],
    )
