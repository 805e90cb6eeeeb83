"""The rounds of a run as a report states them."""

from vibeserve.core.backlog import backlog
from vibeserve.core.rounds import Attempt, Round
from vibeserve.core.run import Run
from vibeserve.delivery.facts import AttemptFacts, GateFacts, RoundFacts, StageFacts
from vibeserve.delivery.pooling import Environment, Pool, figure, pool
from vibeserve.delivery.trajectory import Trajectory, decided
from vibeserve.lab.stand.coverage import SERVED


def round_facts(run: Run, history: list[Round], environment: Environment | None, found: Trajectory) -> list[RoundFacts]:
    """All rounds, oldest first; figures are those taken in `environment`."""
    issues = backlog(run.ledger)
    return [_round(run, item, issues[item.opened.body["issue"]].title, environment, found) for item in history]


def _round(run: Run, item: Round, title: str, environment: Environment | None, found: Trajectory) -> RoundFacts:
    attempt, closed = decided(item), item.closed.body if item.closed else {}
    versus = _versus_parent(run, attempt, environment)
    return RoundFacts(
        round=item.id,
        issue=item.opened.body["issue"],
        title=title,
        hypothesis=item.opened.body["hypothesis"],
        attempts=[_attempt(one) for one in item.attempts],
        decision=item.decision,
        hypothesis_status=closed.get("hypothesis_status"),
        reason=closed.get("reason"),
        base=item.opened.body["base"],
        candidate=attempt.candidate if attempt else None,
        tree=attempt.tree if attempt else None,
        gate=_gate(attempt) if attempt else None,
        headline=figure(run, [mine for mine, _ in versus.pairs]) if versus else None,
        vs_parent=versus.versus() if versus else None,
        speedup=found.by_round.get(item.id),
    )


def _versus_parent(run: Run, attempt: Attempt | None, environment: Environment | None) -> Pool | None:
    if attempt is None or environment is None:
        return None
    return pool(run, attempt.evidence.measurements, attempt.submitted.body["base"], environment)


def _attempt(attempt: Attempt) -> AttemptFacts:
    verdict = attempt.evidence.verdict
    return AttemptFacts(
        candidate=attempt.candidate,
        tree=attempt.tree,
        gate=attempt.gate_status or None,
        failed_stage=(attempt.failed_stage or {}).get("name"),
        verdict=verdict.body["verdict"] if verdict else None,
    )


def _gate(attempt: Attempt) -> GateFacts | None:
    """The deciding gate; the stage that belongs to measuring stands with the others once it was judged."""
    gate, stages = attempt.evidence.gate, []
    if gate is None:
        return None
    measured = [record.body["served"] for record in attempt.evidence.measurements[-1:] if "served" in record.body]
    if attempt.evidence.gate_passed:
        stages = [served | {"name": SERVED} for served in measured if served["status"] != "not_applicable"]
    return GateFacts(
        gate=gate.body["gate"],
        status=attempt.gate_status,
        stages=[
            StageFacts(
                name=stage["name"],
                status=stage["status"],
                measured=stage.get("measured", {}),
                threshold=stage.get("threshold", {}),
            )
            for stage in [*gate.body["stages"], *stages]
        ],
    )
