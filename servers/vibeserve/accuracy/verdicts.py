"""The Judge's verdict on a candidate."""

from collections.abc import Sequence
from typing import Literal

from vibeserve.accuracy.reports import no_such_candidate
from vibeserve.core.errors import BadRequest, Refused
from vibeserve.core.evidence import candidate_record, evidence_on
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.core.tools import Result

Verdict = Literal["pass", "fail"]

FEEDBACK_CHARACTERS = 2000
FINDINGS = 10
FINDING_CHARACTERS = 300


class VerdictGiven(Result):
    """A recorded verdict; `verdict_id` names it."""

    verdict_id: str
    candidate: str
    round: str
    tree: str
    verdict: Verdict
    next_step: str


NEXT_STEPS = {
    "pass": "The Performance Evaluator measures the candidate next (measure).",
    "fail": "The Implementer reads this with show_round, corrects the candidate and submits it again.",
}


def give(
    session: Session, candidate: str, verdict: Verdict, feedback: str, findings: Sequence[str] = ()
) -> VerdictGiven:
    """Record a verdict. A pass needs a passing gate on the candidate's tree under the run's target digest."""
    _check(feedback, findings)
    run = session.run
    submitted = candidate_record(run.ledger, candidate)
    if submitted is None:
        raise no_such_candidate(candidate)
    body = {
        "candidate": submitted.body["candidate"],
        "round": submitted.body["round"],
        "tree": submitted.body["tree"],
        "target_digest": run.target_digest,
        "verdict": verdict,
        "feedback": feedback.strip(),
        "findings": list(findings),
    }
    with run.tx() as tx:
        if verdict == "pass":
            _require_gate(run, str(body["tree"]), str(body["candidate"]))
        verdict_id = f"V{run.ledger.count('verdict.given') + 1}"
        session.append(tx, "verdict.given", str(body["tree"]), {"verdict_id": verdict_id, **body})
    return VerdictGiven.model_validate({**body, "verdict_id": verdict_id, "next_step": NEXT_STEPS[verdict]})


def _check(feedback: str, findings: Sequence[str]) -> None:
    if not feedback.strip() or len(feedback) > FEEDBACK_CHARACTERS:
        raise BadRequest(
            f"`feedback` has {len(feedback.strip())} characters.",
            f"Say in 1 to {FEEDBACK_CHARACTERS} characters what is right or what to correct.",
        )
    if len(findings) > FINDINGS or any(
        not finding.strip() or len(finding) > FINDING_CHARACTERS for finding in findings
    ):
        raise BadRequest(
            "`findings` are too many, too long or empty.",
            f"Send at most {FINDINGS}, each of 1 to {FINDING_CHARACTERS} characters.",
        )


def _require_gate(run: Run, tree: str, candidate: str) -> None:
    evidence = evidence_on(run.ledger, tree, run.target_digest)
    if evidence.gate_passed:
        return
    if evidence.gate is None:
        raise Refused(
            f"A pass needs a passing gate on {candidate}, and there is none.",
            f"run_gate(candidate={candidate}) supplies it; a fail can be given without.",
        )
    word = evidence.gate.kind.removeprefix("gate.")
    raise Refused(
        f"A pass needs a passing gate on {candidate}; gate {evidence.gate.body['gate']} is {word}.",
        "Give a fail with what to correct." if word == "failed" else f"run_gate(candidate={candidate}) runs it again.",
    )
