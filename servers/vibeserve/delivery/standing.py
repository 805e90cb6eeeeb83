"""What a reader must know before believing a figure: which checkpoints fell or were faster, what is left out."""

from vibeserve.core.evidence import times_killed
from vibeserve.core.rounds import Attempt, Round
from vibeserve.core.run import Run
from vibeserve.delivery.pooling import Environment, measurements
from vibeserve.delivery.trajectory import Trajectory, decided
from vibeserve.delivery.wording import times


def fallen(history: list[Round]) -> list[str]:
    """One sentence for each promoted checkpoint that does not stand any more, oldest first."""
    return [sentence for item in history if item.decision == "promote" and (sentence := _fell(item))]


def overtaken(history: list[Round], best: Attempt | None, found: Trajectory) -> list[str]:
    """Said when an older checkpoint that stands was faster: the best is the newest promotion."""
    own = found.by_tree.get(best.tree) if best else None
    standing = [item for item in history if item.decision == "promote" and item.id in found.by_round and _stands(item)]
    if own is None or not standing:
        return []
    fastest = max(standing, key=lambda item: found.by_round[item.id].ratio)
    ratio = found.by_round[fastest.id].ratio
    if ratio <= own.value:
        return []
    return [
        f"The best is the newest promotion that stands. {fastest.id} kept a faster one: {times(ratio)} the reference "
        f"in the trajectory, where the best has {times(own.value)}."
    ]


def killed(run: Run, best: Attempt | None) -> list[str]:
    """Said when the best's server died by SIGKILL: each such end gave it another draw, and it can kill itself."""
    times_dead = times_killed(run.ledger, best.tree, run.target_digest) if best else 0
    if not times_dead:
        return []
    return [
        f"Ends of the best's server by SIGKILL in a gate or a measurement, by whom cannot be seen: {times_dead}. "
        "They were forgiven and what they broke was done again, so its figures may be flattered."
    ]


def elsewhere(run: Run, environment: Environment | None) -> list[str]:
    """What is left out because it was taken on a machine unlike the newest measurement's."""
    left_out = [str(one.body["measurement"]) for one in measurements(run) if one.body["environment"] != environment]
    if not left_out:
        return []
    return [f"Taken on another machine or with other versions, so in no figure here: {', '.join(left_out)}."]


def _stands(item: Round) -> bool:
    attempt = decided(item)
    return attempt is not None and attempt.evidence.gate_passed


def _fell(item: Round) -> str:
    attempt = decided(item)
    if attempt is None or attempt.evidence.gate_passed or attempt.evidence.gate is None:
        return ""
    stage = attempt.failed_stage
    where = f" at stage {stage['name']}" if stage else ""
    return (
        f"{attempt.candidate} of {item.id} was promoted and does not stand any more: "
        f"{attempt.evidence.gate.body['gate']} failed it{where}."
    )
