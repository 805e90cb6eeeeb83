"""The profiler's tools."""

from typing import Annotated

from pydantic import Field

from vibeserve.core.roles import EVALUATORS
from vibeserve.core.session import Session
from vibeserve.core.tools import Toolbox
from vibeserve.profiler.results import Evaluation, Measurement, Trend

box = Toolbox(
    "profiler",
    "Measures candidates that passed the gate. measure compares a candidate with its parent or the baseline "
    "in interleaved pairs and answers better, worse or inconclusive with a confidence interval; "
    "submit_evaluation records what you conclude; trend shows all rounds.",
)

Candidate = Annotated[str, Field(description="Candidate id such as C1.")]


@box.tool("measure", roles=EVALUATORS, long_running=True, records=("measurement.recorded", "gate.failed"))
def measure(
    session: Session,
    candidate: Candidate,
    against: Annotated[
        str,
        Field(description="parent (the round's base), baseline (the target's reference), or a baseline's name."),
    ] = "parent",
) -> Measurement:
    """Measure a candidate that passed the gate, in interleaved pairs of fresh load, minutes in all.

    Afterwards a hidden sample of its timed responses is judged: a failure voids the measurement and fails
    the tree. All measurements of a tree are pooled, at most 4 against the same other side.
    """
    from vibeserve.profiler import measuring

    return measuring.measure(session, candidate, against)


@box.tool("evaluate", roles=EVALUATORS, records=("evaluation.given",))
def submit_evaluation(
    session: Session,
    candidate: Candidate,
    summary: Annotated[str, Field(description="What the figures say. At most 2000 characters.")],
    bottleneck: Annotated[
        str | None, Field(description="What limits it now, with evidence. At most 500 characters.")
    ] = None,
    suggestions: Annotated[
        list[str], Field(description="What to try next: at most 5, each at most 500 characters.")
    ] = [],  # noqa: B006  (pydantic copies the default)
) -> Evaluation:
    """Record your evaluation of a measured candidate."""
    from vibeserve.profiler import evaluations

    return evaluations.submit(session, candidate, summary, bottleneck, suggestions)


@box.tool("trend", read_only=True)
def trend(
    session: Session,
    cursor: Annotated[
        int | None, Field(description="next_cursor of the page before; newest rows when left out.")
    ] = None,
) -> Trend:
    """All measurements, newest first, 20 a page: ratio, 95 % interval and outcome by round."""
    from vibeserve.profiler import evaluations

    return evaluations.trend(session, cursor)
