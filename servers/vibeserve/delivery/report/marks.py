"""How a round's outcome is marked in the trajectory: by shape first, in colours that all can tell apart."""

from dataclasses import dataclass

from vibeserve.delivery.facts import AttemptFacts, RoundFacts
from vibeserve.delivery.wording import with_interval


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of point. `edge` is the outline's colour where it is not the filling's."""

    label: str
    marker: str
    colour: str
    filled: bool
    size: float = 9
    edge: str | None = None


# Okabe and Ito's palette.
KINDS = {
    "promoted": Kind("promoted", "o", "#0072B2", filled=True),
    "discarded": Kind("discarded", "s", "#D55E00", filled=False),
    "inconclusive": Kind("inconclusive, discarded", "D", "#AA4499", filled=False),
    "open": Kind("round still open", "^", "#666666", filled=False),
}
BEST = Kind("best, measured once more", "*", "#F0C000", filled=True, size=17, edge="#333333")


def kind_of(item: RoundFacts) -> Kind | None:
    """The kind of a round's point; None where its candidate failed, since no speed of a wrong answer counts."""
    if item.gate is not None and item.gate.status == "failed":
        return None
    if item.decision == "promote":
        return KINDS["promoted"]
    if item.decision == "open":
        return KINDS["open"]
    undecided = item.vs_parent is not None and item.vs_parent.verdict == "inconclusive"
    return KINDS["inconclusive" if undecided else "discarded"]


def figures_of(item: RoundFacts) -> tuple[str, str]:
    """A round's candidate against its parent and over the reference, in words; no speed of a wrong answer counts."""
    versus, speedup = item.vs_parent, item.speedup
    if item.gate is not None and item.gate.status == "failed":
        return "void, it failed" if versus else "not measured", "–"
    over = f"{with_interval(speedup.ratio, speedup.ci95)}{' chained' if speedup.chained else ''}" if speedup else "–"
    return f"{with_interval(versus.ratio, versus.ci95)} {versus.verdict}" if versus else "not measured", over


def stopped_at(item: RoundFacts) -> list[str]:
    """What caught each failed attempt of a round: the gate's stage, or the Judge; the same one is said once."""
    found = [_stop(attempt) for attempt in item.attempts]
    return list(dict.fromkeys(stop for stop in found if stop))


def _stop(attempt: AttemptFacts) -> str | None:
    if attempt.gate == "failed":
        return attempt.failed_stage or "gate"
    return "the Judge" if attempt.gate == "passed" and attempt.verdict == "fail" else None
