"""Which stages apply to a target, so that nobody takes a stage that was never judged for one that passed."""

from dataclasses import dataclass

from vibeserve.core.run import Run

REPEAT, SERVED = "repeat", "served"
STAGES = ("boot", "checker", "numeric", REPEAT, SERVED)


@dataclass(frozen=True)
class Coverage:
    """The names of all stages, by whether they apply."""

    applies: list[str]
    not_applicable: list[str]


def coverage(run: Run) -> Coverage:
    """The stages of the run's target: those of the gate, and `served`, which belongs to measuring.

    Whether timed responses can be judged shows when the benchmark has run: until then `served` counts as applying.
    """
    measured = run.ledger.last("measurement.recorded")
    unjudged = measured is not None and measured.body.get("served", {}).get("status") == "not_applicable"
    return coverage_with(run, served=not unjudged)


def coverage_with(run: Run, *, served: bool) -> Coverage:
    """The same, where it is known whether timed responses are judged."""
    left_out = {name for name, applies in ((REPEAT, run.target.reuse == "none"), (SERVED, served)) if not applies}
    return Coverage(
        applies=[name for name in STAGES if name not in left_out],
        not_applicable=[name for name in STAGES if name in left_out],
    )
