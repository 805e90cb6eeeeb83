"""Checkpoints that fell: a later measurement found wrong answers under load, or no server there."""

from vibeserve.core.rounds import Round
from vibeserve.delivery.trajectory import decided


def fallen(history: list[Round]) -> list[str]:
    """One sentence for each promoted checkpoint that does not stand any more, oldest first."""
    return [sentence for item in history if item.decision == "promote" and (sentence := _fell(item))]


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
