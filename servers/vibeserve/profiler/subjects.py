"""What is measured against what, and whether the protocol allows it."""

from dataclasses import dataclass

from vibeserve.core.artifacts import printable
from vibeserve.core.errors import BadRequest, NotFound, Refused
from vibeserve.core.evidence import candidate_record, evidence_on
from vibeserve.core.ledger import Record
from vibeserve.core.run import Run
from vibeserve.lab.stand.systems import REFERENCE, baseline_tree

MAX_LOOKS = 4


@dataclass(frozen=True)
class Subject:
    """What is measured: a candidate's tree against another tree, the reference, or a baseline of the target."""

    candidate: str
    round: str
    tree: str
    against: str
    against_tree: str


def require_candidate(run: Run, candidate: str) -> Record:
    """The candidate's record, or NotFound."""
    record = candidate_record(run.ledger, candidate)
    if record is None:
        raise NotFound(f"There is no candidate {candidate[:60]}.", "show_round names the candidates of a round.")
    return record


def subject_of(run: Run, candidate: str, against: str) -> Subject:
    """What `candidate` and `against` name; NotFound or BadRequest when they name nothing."""
    body = require_candidate(run, candidate).body
    return Subject(body["candidate"], body["round"], body["tree"], against, _against_tree(run, body["base"], against))


def _against_tree(run: Run, base: str, against: str) -> str:
    """The system that `against` names: a git tree id, "reference" or "baseline:NAME"."""
    if against in ("parent", "baseline"):
        return base if against == "parent" else REFERENCE
    if against not in run.target.baselines:
        raise BadRequest(
            f"{printable(against)[:60]!r} is nothing to measure against.",
            f"Choose one of: {', '.join(('parent', 'baseline', *run.target.baselines))}.",
        )
    return baseline_tree(against)


def require_gate(run: Run, subject: Subject) -> None:
    """Refused unless the gate passed on the subject's tree."""
    gate = evidence_on(run.ledger, subject.tree, run.target_digest).gate
    if gate is None or gate.kind == "gate.inconclusive":
        raise Refused(
            f"{subject.candidate} has not passed the gate, so it cannot be measured.",
            "run_gate by the Accuracy Judge supplies it.",
        )
    if gate.kind == "gate.failed":
        raise Refused(
            f"{subject.candidate} failed the gate ({gate.body['gate']}), which is final for its tree.",
            "show_gate says why; the Implementer submits another candidate.",
        )


def earlier_measurements(run: Run, subject: Subject) -> list[Record]:
    """Measurements of this tree against the same other tree; at most MAX_LOOKS may be taken."""
    measured = evidence_on(run.ledger, subject.tree, run.target_digest).measurements
    same = [record for record in measured if record.body["against_tree"] == subject.against_tree]
    if len(same) >= MAX_LOOKS:
        raise Refused(
            f"{subject.candidate} was measured {MAX_LOOKS} times against this side; more looks would find "
            "a difference by chance.",
            "trend shows the pooled result: conclude from it with submit_evaluation.",
        )
    return same
