"""How many times faster than the reference each round's candidate is: ratios against parents, multiplied."""

from collections.abc import Iterable
from dataclasses import dataclass

from vibeserve.core.ledger import Record
from vibeserve.core.rounds import Attempt, Round
from vibeserve.core.run import Run
from vibeserve.delivery.estimates import PARITY, Estimate
from vibeserve.delivery.facts import Speedup
from vibeserve.delivery.pooling import Environment, measurements, pool
from vibeserve.lab.stand.systems import REFERENCE, baseline_tree


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Speed-ups over the reference on one machine: by round, and by tree for every promoted one."""

    by_round: dict[str, Speedup]
    by_tree: dict[str, Estimate]


def decided(item: Round) -> Attempt | None:
    """The candidate that a round was closed about; while it is open, the newest."""
    if item.closed is None:
        return item.attempts[-1] if item.attempts else None
    return next((attempt for attempt in item.attempts if attempt.tree == item.closed.body["tree"]), None)


def trajectory(run: Run, history: Iterable[Round], environment: Environment) -> Trajectory:
    """Follow the rounds from the reference. A round without a way back to it has no entry."""
    found = Trajectory({}, {REFERENCE: PARITY})
    for item in history:
        attempt = decided(item)
        if attempt is None:
            continue
        estimate, chained = _speedup(run, attempt, found, environment)
        if estimate is None:
            continue
        found.by_round[item.id] = stated(estimate, chained=chained)
        if item.decision == "promote":
            found.by_tree.setdefault(attempt.tree, estimate)
    return found


def strong_speedup(run: Run, found: Trajectory, environment: Environment) -> Speedup | None:
    """The strong baseline over the reference: through the newest promoted tree that was measured against it."""
    name = run.target.strong_baseline
    if name is None:
        return None
    against = baseline_tree(name)
    for record in reversed(measurements(run)):
        through = found.by_tree.get(record.subject)
        versus = pool(run, _of_tree(run, record.subject), against, environment)
        if through is not None and versus is not None:
            return stated(through.times(versus.speedup.inverse()), chained=True)
    return None


def stated(estimate: Estimate, *, chained: bool) -> Speedup:
    """An estimate as a report states it."""
    return Speedup(ratio=estimate.value, ci95=estimate.ci95, chained=chained)


def _speedup(run: Run, attempt: Attempt, found: Trajectory, environment: Environment) -> tuple[Estimate | None, bool]:
    """The candidate's speed-up and whether it is chained: over its parent's, else as measured directly."""
    base, measured = str(attempt.submitted.body["base"]), attempt.evidence.measurements
    link = pool(run, measured, base, environment)
    if link is not None and base in found.by_tree:
        return found.by_tree[base].times(link.speedup), base != REFERENCE
    direct = pool(run, measured, REFERENCE, environment)
    return (direct.speedup, False) if direct else (None, False)


def _of_tree(run: Run, tree: str) -> list[Record]:
    return [record for record in measurements(run) if record.subject == tree]
