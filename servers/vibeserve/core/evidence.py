"""What the ledger proves about a tree. Servers meet only here: one reads what another recorded."""

from dataclasses import dataclass
from typing import Any

from vibeserve.core.ledger import Ledger, Record

GATE_KINDS = ("gate.passed", "gate.failed", "gate.inconclusive")
# What a round has to show for itself; an inconclusive gate says nothing about a candidate.
PROOF_KINDS = ("gate.passed", "gate.failed", "verdict.given", "measurement.recorded", "checkpoint.promoted")
# Stages that judge what the target permits. To fail one of them is a matter of the idea, not a bug.
PERMISSION_STAGES = ("repeat",)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The standing evidence on one tree under one target digest."""

    gate: Record | None
    verdict: Record | None
    measurements: tuple[Record, ...]
    evaluation: Record | None

    @property
    def gate_passed(self) -> bool:
        """Whether the newest decisive gate record passed."""
        return self.gate is not None and self.gate.kind == "gate.passed"

    @property
    def verdict_passed(self) -> bool:
        """Whether the newest verdict passed."""
        return self.verdict is not None and self.verdict.body["verdict"] == "pass"

    def missing_for_promotion(self) -> list[str]:
        """What a promotion still needs, each with the tool that supplies it."""
        missing = []
        if not self.gate_passed:
            missing.append("a passing gate (run_gate, by the Accuracy Judge)")
        if not self.verdict_passed:
            missing.append("a passing verdict (submit_verdict, by the Accuracy Judge)")
        if not self.measurements:
            missing.append("a measurement (measure, by the Performance Evaluator)")
        return missing


def evidence_on(ledger: Ledger, tree: str, target_digest: str, before: int | None = None) -> Evidence:
    """The evidence on `tree` under `target_digest`, from records with seq below `before` (all when None).

    A failed gate is final for tree and target digest, so a failure outweighs a pass whenever it came.
    """
    records = [
        record
        for record in ledger.records((*GATE_KINDS, "verdict.given", "measurement.recorded", "evaluation.given"), tree)
        if record.body.get("target_digest") == target_digest and (before is None or record.seq < before)
    ]
    gates = [record for record in records if record.kind in GATE_KINDS]
    failed = [record for record in gates if record.kind == "gate.failed"]
    return Evidence(
        gate=failed[-1] if failed else (gates[-1] if gates else None),
        verdict=_last(records, "verdict.given"),
        measurements=tuple(record for record in records if record.kind == "measurement.recorded"),
        evaluation=_last(records, "evaluation.given"),
    )


def times_killed(ledger: Ledger, tree: str, target_digest: str) -> int:
    """How often the server of `tree` died by SIGKILL in a gate or a measurement, with no visible author."""
    records = ledger.records(("gate.inconclusive", "infrastructure.failed"), tree)
    return sum(record.body.get("killed", False) and record.body["target_digest"] == target_digest for record in records)


def failed_stage(gate: Record | None) -> dict[str, Any] | None:
    """The stage at which a gate did not pass."""
    stages = gate.body["stages"] if gate else []
    return next((stage for stage in stages if stage["status"] not in ("passed", "not_applicable")), None)


def candidate_record(ledger: Ledger, candidate: str) -> Record | None:
    """The `candidate.submitted` record of candidate id `C…` or of a tree id (the newest of that tree)."""
    for record in ledger.records("candidate.submitted", newest_first=True):
        if candidate in (record.body["candidate"], record.subject):
            return record
    return None


_NUMBERED: dict[str, tuple[tuple[str, ...], str]] = {
    "I": (("issue.filed",), "issue"),
    "R": (("round.opened",), "round"),
    "C": (("candidate.submitted",), "candidate"),
    "G": (GATE_KINDS, "gate"),
    "V": (("verdict.given",), "verdict_id"),
    "M": (("measurement.recorded",), "measurement"),
    "E": (("evaluation.given",), "evaluation"),
    "D": (("memory.direction",), "direction"),
}


def record_of(ledger: Ledger, name: str) -> Record | None:
    """The record that introduced an id such as R1, C2, G3, V1 or M2; None when there is no such thing."""
    kinds, field = _NUMBERED.get(name[:1], ((), ""))
    records = ledger.records(kinds) if kinds else []
    return next((record for record in records if record.body[field] == name), None)


def open_round_record(ledger: Ledger) -> Record | None:
    """The `round.opened` record of the round that is open now, if any."""
    opened = ledger.last("round.opened")
    if opened is None or ledger.last("round.closed", opened.subject) is not None:
        return None
    return opened


def _last(records: list[Record], kind: str) -> Record | None:
    return next((record for record in reversed(records) if record.kind == kind), None)
