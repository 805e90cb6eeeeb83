"""Records as the accuracy and profiler servers make them, for tests of what reads them."""

from typing import Any

from vibeserve.core.evidence import GATE_KINDS, candidate_record
from vibeserve.core.session import Session


def gate(session: Session, candidate: str, outcome: str = "passed", feedback: str = "", stage: str = "numeric") -> str:
    """A gate record on a candidate; returns its id."""
    ledger = session.run.ledger
    name = f"G{sum(ledger.count(kind) for kind in GATE_KINDS) + 1}"
    judged = {"name": stage, "status": outcome, "measured": {}, "threshold": {}, "feedback": feedback}
    _append(session, f"gate.{outcome}", candidate, {"gate": name, "seconds": 1.0, "stages": [judged]})
    return name


def verdict(session: Session, candidate: str, verdict: str = "pass", feedback: str = "looked at it") -> str:
    """A verdict on a candidate; returns its id."""
    name = f"V{session.run.ledger.count('verdict.given') + 1}"
    _append(session, "verdict.given", candidate, {"verdict_id": name, "verdict": verdict, "feedback": feedback})
    return name


def measurement(
    session: Session, candidate: str, ratio: float = 2.0, against: str = "parent", served: str = "passed"
) -> str:
    """A measurement of a candidate; returns its id."""
    name = f"M{session.run.ledger.count('measurement.recorded') + 1}"
    body = {
        "measurement": name,
        "against": against,
        "against_tree": "reference",
        "metric": "tokens_per_s",
        "unit": "tokens/s",
        "direction": "higher",
        "value": 100.0 * ratio,
        "against_value": 100.0,
        "ratio": ratio,
        "ci95": [ratio * 0.95, ratio * 1.05],
        "pairs": 4,
        "outcome": "better" if ratio > 1 else "worse",
        "served": {"status": served},
    }
    _append(session, "measurement.recorded", candidate, body)
    return name


def evaluation(session: Session, candidate: str) -> str:
    """An evaluation of a candidate; returns its id."""
    name = f"E{session.run.ledger.count('evaluation.given') + 1}"
    body = {"evaluation": name, "summary": "bound by memory", "bottleneck": None, "suggestions": []}
    _append(session, "evaluation.given", candidate, body)
    return name


def all_evidence(session: Session, candidate: str, ratio: float = 2.0) -> None:
    """Everything that a promotion needs."""
    gate(session, candidate)
    verdict(session, candidate)
    measurement(session, candidate, ratio)


def _append(session: Session, kind: str, candidate: str, body: dict[str, Any]) -> None:
    submitted = candidate_record(session.run.ledger, candidate)
    assert submitted is not None
    known = {
        "candidate": submitted.body["candidate"],
        "round": submitted.body["round"],
        "tree": submitted.subject,
        "target_digest": session.run.target_digest,
    }
    with session.run.tx() as tx:
        session.append(tx, kind, submitted.subject, body | known)
