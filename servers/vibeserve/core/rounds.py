"""Rounds as the ledger tells them: contract, attempts with their evidence, and how each was closed."""

from dataclasses import dataclass
from typing import Any

from vibeserve.core.evidence import Evidence, evidence_on, failed_stage
from vibeserve.core.ledger import Ledger, Record


@dataclass(frozen=True, slots=True)
class Attempt:
    """One submitted candidate of a round and the evidence on its tree."""

    submitted: Record
    evidence: Evidence

    @property
    def candidate(self) -> str:
        """The candidate's id, `C…`."""
        return str(self.submitted.body["candidate"])

    @property
    def tree(self) -> str:
        """The candidate's git tree."""
        return self.submitted.subject

    @property
    def gate_status(self) -> str:
        """passed, failed, inconclusive, or "" when the gate has not run."""
        return self.evidence.gate.kind.removeprefix("gate.") if self.evidence.gate else ""

    @property
    def failed(self) -> bool:
        """Whether its gate failed or the newest verdict rejected it."""
        rejected = self.evidence.verdict is not None and not self.evidence.verdict_passed
        return self.gate_status == "failed" or rejected

    @property
    def failed_stage(self) -> dict[str, Any] | None:
        """The stage at which the gate did not pass."""
        return failed_stage(self.evidence.gate)

    @property
    def unserved_note(self) -> str | None:
        """Said of a candidate whose newest measurement did not judge the answers that it timed."""
        newest = self.evidence.measurements[-1] if self.evidence.measurements else None
        status = newest.body.get("served", {}).get("status", "not_applicable") if newest else "passed"
        if newest is None or status == "passed":
            return None
        return (
            f"The timed answers behind {newest.body['measurement']} were not judged (stage served: {status}): "
            "nothing shows that they were right under load."
        )

    def measured_against(self, against: str) -> Record | None:
        """The newest measurement against `parent` or `baseline`."""
        found = [record for record in self.evidence.measurements if record.body["against"] == against]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class Round:
    """One round. `closed` is None while it is open."""

    opened: Record
    attempts: tuple[Attempt, ...]
    closed: Record | None

    @property
    def id(self) -> str:
        """The round's id, `R…`."""
        return self.opened.subject

    @property
    def decision(self) -> str:
        """promote, discard, blocked, or open."""
        return str(self.closed.body["decision"]) if self.closed else "open"


def rounds(ledger: Ledger, target_digest: str) -> list[Round]:
    """All rounds of a run, oldest first."""
    submitted = ledger.records("candidate.submitted")
    closed = {record.subject: record for record in ledger.records("round.closed")}
    return [
        Round(
            opened,
            tuple(
                Attempt(record, evidence_on(ledger, record.subject, target_digest))
                for record in submitted
                if record.body["round"] == opened.subject
            ),
            closed.get(opened.subject),
        )
        for opened in ledger.records("round.opened")
    ]


def best_attempt(history: list[Round]) -> Attempt | None:
    """The candidate of the newest promoted checkpoint that still stands: each was measured against its parent.

    A tree can fail after its promotion, when a later measurement finds wrong answers under load.
    """
    for past in reversed(history):
        if past.closed is not None and past.decision == "promote":
            promoted = next(attempt for attempt in past.attempts if attempt.tree == past.closed.body["tree"])
            if promoted.evidence.gate_passed:
                return promoted
    return None
