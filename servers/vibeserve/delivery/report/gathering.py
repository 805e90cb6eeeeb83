"""A report's facts, read from the ledger."""

from vibeserve.core.errors import InfrastructureFailed, Refused
from vibeserve.core.rounds import Attempt, best_attempt, rounds
from vibeserve.core.run import Run
from vibeserve.delivery.assurance import weakest_assurance
from vibeserve.delivery.attribution import recorded_attributions
from vibeserve.delivery.estimates import PARITY
from vibeserve.delivery.facts import AuditFacts, BaselineFacts, BestFacts, Report, Secondary, Speedup
from vibeserve.delivery.pooling import Environment, Pool, figure, measured_on, measurements
from vibeserve.delivery.report.confirming import Confirmed, confirmations
from vibeserve.delivery.report.history import round_facts
from vibeserve.delivery.report.spending import seconds_spent
from vibeserve.delivery.standing import elsewhere, fallen, killed, overtaken
from vibeserve.delivery.trajectory import Trajectory, stated, strong_speedup, trajectory
from vibeserve.lab.stand.systems import REFERENCE, baseline_tree
from vibeserve.lab.trees.audit import audit_run


def gather(run: Run, notes: list[str]) -> Report:
    """All facts of a run that has a round and is whole; Refused or InfrastructureFailed otherwise."""
    audited = require_reportable(run)
    history, environment = rounds(run.ledger, run.target_digest), measured_on(run)
    found = trajectory(run, history, environment) if environment else Trajectory({}, {})
    benchmark, best = run.target.benchmark, best_attempt(history)
    confirmed = confirmations(run, best, environment) if best and environment else Confirmed(None, None)
    return Report(
        run=run.id,
        target=run.target.name,
        title=run.target.title,
        preset=run.preset_name,
        assurance=weakest_assurance(run.ledger),
        metric=benchmark.metric,
        unit=benchmark.unit,
        direction=benchmark.direction,
        hardware=environment,
        baselines=_baselines(run, environment, _strong(run, found, confirmed, environment)),
        rounds=round_facts(run, history, environment, found),
        best=_best(run, best, confirmed) if best else None,
        audit=audited,
        seconds=seconds_spent(run),
        attribution=(recorded_attributions(run, best.tree, environment) or None) if best else None,
        notes=[
            *fallen(history),
            *killed(run, best),
            *elsewhere(run, environment),
            *overtaken(history, best, found),
            *notes,
        ],
    )


def require_reportable(run: Run) -> AuditFacts:
    """The run's audit. Refused when there is no round yet, InfrastructureFailed when the run is broken."""
    outcome = audit_run(run)
    if not outcome.ok:
        raise InfrastructureFailed(
            f"The run {run.id} is broken at record {outcome.broken_seq}: {outcome.problem}. No report is made of it.",
            f"`vibeserve audit {run.layout.root}` shows that; go on with an intact copy of the run directory.",
        )
    if not run.ledger.count("round.opened"):
        raise Refused(
            f"The run {run.id} has no round yet, so there is nothing to report.",
            "Open one (`vibeserve checkpoints open`), or play a recorded run: `vibeserve run targets/llama-chat`.",
        )
    return AuditFacts(ok=outcome.ok, records=outcome.records)


def _best(run: Run, best: Attempt, confirmed: Confirmed) -> BestFacts:
    reference, strong = confirmed.reference, confirmed.strong
    return BestFacts(
        round=best.submitted.body["round"],
        candidate=best.candidate,
        tree=best.tree,
        vs_reference=reference.versus() if reference else None,
        vs_strong_baseline=strong.versus() if strong else None,
        also=[*_secondary(reference, REFERENCE), *_secondary(strong, run.target.strong_baseline or "")],
        speedup=stated(reference.speedup, chained=False) if reference else None,
    )


def _secondary(confirmed: Pool | None, against: str) -> list[Secondary]:
    return confirmed.secondary(against) if confirmed else []


def _strong(run: Run, found: Trajectory, confirmed: Confirmed, environment: Environment | None) -> Speedup | None:
    """The strong baseline over the reference: through the confirmed best where there is one."""
    if confirmed.reference and confirmed.strong:
        return stated(confirmed.reference.speedup.times(confirmed.strong.speedup.inverse()), chained=True)
    return strong_speedup(run, found, environment) if environment else None


def _baselines(run: Run, environment: Environment | None, strong: Speedup | None) -> list[BaselineFacts]:
    """The reference, then the target's other baselines, each with all windows that were timed of it."""
    reference = BaselineFacts(
        name=REFERENCE,
        title="the target's reference",
        strong=False,
        headline=figure(run, _windows_of(run, REFERENCE, environment)),
        speedup=stated(PARITY, chained=False),
    )
    others = [
        BaselineFacts(
            name=name,
            title=baseline.title,
            strong=baseline.strong,
            headline=figure(run, _windows_of(run, baseline_tree(name), environment)),
            speedup=strong if baseline.strong else None,
        )
        for name, baseline in run.target.baselines.items()
    ]
    return [reference, *others]


def _windows_of(run: Run, system: str, environment: Environment | None) -> list[float]:
    """What one of the target's own systems reached in every window that it was compared in."""
    compared = [
        record
        for record in measurements(run)
        if record.body["against_tree"] == system and record.body["environment"] == environment
    ]
    return [other for record in compared for _, other in record.body["values"]]
