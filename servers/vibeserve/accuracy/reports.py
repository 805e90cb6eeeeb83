"""What a gate's record says, as tools return it."""

from typing import Literal

from pydantic import Field

from vibeserve.core.artifacts import printable
from vibeserve.core.errors import BadRequest, NotFound
from vibeserve.core.evidence import GATE_KINDS, candidate_record
from vibeserve.core.ledger import Record
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.core.texts import fenced
from vibeserve.core.tools import Result

EXCERPT_BYTES = 1500


class StageReport(Result):
    """One stage: measured numbers beside their thresholds, and what helps to correct the candidate."""

    name: str
    status: Literal["passed", "failed", "inconclusive", "not_applicable"]
    measured: dict[str, float | int | str]
    threshold: dict[str, float | int | str]
    feedback: str


class GateReport(Result):
    """The outcome of one gate. `coverage` names the stages that apply to this target, `served` when it is measured."""

    gate: str
    candidate: str
    round: str
    tree: str
    outcome: Literal["passed", "failed", "inconclusive"]
    seconds: float
    stages: list[StageReport]
    coverage: list[str]
    not_applicable: list[str] = Field(default_factory=list)
    artifact: str
    evidence_excerpt: str | None = None
    next_step: str


NEXT_STEPS = {
    "passed": "Read the change with diff_candidate, then submit_verdict.",
    "failed": "Final for this tree: submit_verdict fail, saying what to correct.",
    "inconclusive": "Not the candidate's fault: mend the machinery (see the evidence), then run_gate again.",
}


def report(record: Record, excerpt: str | None = None) -> GateReport:
    """The report of a gate's ledger record."""
    body, outcome = record.body, record.kind.removeprefix("gate.")
    return GateReport.model_validate(
        {
            **{name: body[name] for name in ("gate", "candidate", "round", "tree", "seconds", "stages")},
            "coverage": body.get("coverage", [stage["name"] for stage in body["stages"]]),
            "not_applicable": body.get("not_applicable", []),
            "artifact": body["artifact"],
            "outcome": outcome,
            "evidence_excerpt": excerpt,
            "next_step": NEXT_STEPS[outcome],
        }
    )


def show(session: Session, gate: str | None, candidate: str | None) -> GateReport:
    """A gate by id, the newest of a candidate, or the newest of all, with the start of its evidence."""
    record = _find(session.run, gate, candidate)
    page = session.run.artifacts.page(record.body["artifact"], 0, EXCERPT_BYTES)
    return report(record, fenced(page.text))


def _find(run: Run, gate: str | None, candidate: str | None) -> Record:
    if gate is not None and candidate is not None:
        raise BadRequest("show_gate takes a gate or a candidate, not both.", "Leave one of them out.")
    tree = None
    if candidate is not None:
        submitted = candidate_record(run.ledger, candidate)
        if submitted is None:
            raise no_such_candidate(candidate)
        tree = submitted.body["tree"]
    for record in run.ledger.records(GATE_KINDS, tree, newest_first=True):
        if gate is None or record.body["gate"] == gate:
            return record
    asked = gate or candidate or "this run"
    raise NotFound(f"There is no gate of {printable(asked)[:60]}.", "run_gate, by the Accuracy Judge, makes one.")


def no_such_candidate(candidate: str) -> NotFound:
    """The error for an unknown candidate id."""
    return NotFound(
        f"There is no candidate {printable(candidate)[:60]}.",
        "show_round names the candidates of a round; submit_candidate, by the Implementer, makes one.",
    )
