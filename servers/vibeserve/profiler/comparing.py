"""Comparing two systems: both started, timed in pairs under the device's lease, the candidate's answers judged."""

import contextlib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vibeserve.core.artifacts import printable
from vibeserve.core.errors import CandidateFailed
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.core.texts import fenced
from vibeserve.lab.judging import Stage
from vibeserve.lab.load import Comparison, compare
from vibeserve.lab.stand.coverage import SERVED
from vibeserve.lab.stand.inputs import require_unchanged
from vibeserve.lab.stand.killed import forgiven_twice
from vibeserve.lab.stand.scratch import scratch_folder
from vibeserve.profiler.environment import environment
from vibeserve.profiler.lease import device_lease
from vibeserve.profiler.pairs import Timed, time_pairs
from vibeserve.profiler.results import Also
from vibeserve.profiler.secondary import secondary
from vibeserve.profiler.served import judge_served
from vibeserve.profiler.sides import start_side
from vibeserve.profiler.windows import Window

DEVICE = "host"
LOG_EXCERPT_CHARACTERS = 700
FEEDBACK_CHARACTERS = 1200
WORD_CHARACTERS = FEEDBACK_CHARACTERS - LOG_EXCERPT_CHARACTERS - 200  # of ours before a log, its marks left room


@dataclass(frozen=True)
class Compared:
    """One timed comparison. `values` are pairs (candidate, other) of the target's metric, one for each of `seeds`.

    `windows` are all that were timed, void ones too; `served` judges the candidate's timed answers and did not
    fail; `also` holds the secondary figures; `foreign_cores` is how many cores everything else kept busy.
    """

    values: list[tuple[float, float]]
    seeds: list[int]
    windows: list[Window]
    served: Stage
    comparison: Comparison
    also: list[Also]
    foreign_cores: float
    environment: dict[str, str | int]


class FailedUnderLoad(CandidateFailed):
    """The candidate's side did not start, died, did not serve, or answered wrongly. `stage` is its stage "served"."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(
            f"It failed under load: {stage.feedback[:FEEDBACK_CHARACTERS]}",
            "No figure of it counts: correct it and have it gated again.",
            evidence=stage.evidence,
        )
        self.stage = stage

    @property
    def kind(self) -> str:
        """As tools report it: a name of the tree of errors."""
        return CandidateFailed.__name__


def compare_systems(session: Session, tree: str, against_tree: str) -> Compared:
    """Time the system of `tree` against that of `against_tree`, with fresh load. Nothing is recorded.

    Either is a git tree id of the run's repository, "reference" or "baseline:NAME". Raises FailedUnderLoad when
    the first one fails, InfrastructureFailed for trouble anywhere else.
    """
    with scratch_folder(session.run, "measure") as scratch:
        require_unchanged(session)
        timed, stage = _time_and_judge(session, tree, against_tree, scratch)
        require_unchanged(session)
    if timed is None or stage.status == "failed":
        raise FailedUnderLoad(stage)
    return Compared(
        values=timed.values,
        seeds=timed.seeds,
        windows=timed.windows,
        served=stage,
        comparison=compare_values(session.run, timed.values),
        also=secondary(session.run.target.benchmark, timed),
        foreign_cores=round(statistics.fmean(window.foreign_cores for window in timed.windows), 3),
        environment=environment(),
    )


def compare_values(run: Run, pairs: Sequence[tuple[float, float]]) -> Comparison:
    """The comparison of pairs of the target's metric."""
    benchmark = run.target.benchmark
    return compare(pairs, direction=benchmark.direction, relative_noise=benchmark.relative_noise)


def _time_and_judge(session: Session, tree: str, against_tree: str, scratch: Path) -> tuple[Timed | None, Stage]:
    """The timed section and the stage "served"; without the former where the candidate failed in it."""
    try:
        with forgiven_twice(session.run, tree):
            timed = _time(session, tree, against_tree, scratch)
    except CandidateFailed as error:
        log = fenced(printable(error.evidence)[-LOG_EXCERPT_CHARACTERS:])
        said = error.message[:WORD_CHARACTERS]
        feedback = f"{said}\nEnd of its log:\n{log}" if log else said
        return None, Stage(name=SERVED, status="failed", feedback=feedback, evidence=error.evidence)
    return timed, judge_served(session, timed, scratch)


def _time(session: Session, tree: str, against_tree: str, scratch: Path) -> Timed:
    """Start both sides, time them under the device's lease, stop both."""
    with contextlib.ExitStack() as stack:
        session.progress("starting the candidate")
        candidate = start_side(session, stack, tree, scratch, is_candidate=True)
        session.progress("starting the other side")
        other = start_side(session, stack, against_tree, scratch, is_candidate=False)
        with device_lease(DEVICE, session.cancelled, session.progress):
            return time_pairs(session, candidate, other, scratch)
