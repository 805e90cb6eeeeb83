"""What the checkpoints tools return."""

from typing import Literal

from vibeserve.core.backlog import ClosingStatus
from vibeserve.core.tools import Result

Decision = Literal["promote", "discard", "blocked"]
HypothesisStatus = Literal["supported", "refuted", "inconclusive", "untested"]


class OpenedRound(Result):
    """A new round. `base` is a checkpoint's tree or "reference"; `base_tree` is what the workspace holds now.

    What stood in the workspace before is the tree `workspace_snapshot`, or lies in the run's folder
    `set_aside/<set_aside>` when no tree can hold it.
    """

    round: str
    issue: str
    base: str
    base_tree: str
    attempts: int
    workspace_snapshot: str | None = None
    set_aside: str | None = None


class GateSummary(Result):
    """The standing gate of a candidate; `stage` and `feedback` say where and why it did not pass."""

    gate: str
    outcome: str
    stage: str | None = None
    feedback: str | None = None


class VerdictSummary(Result):
    """The newest verdict on a candidate."""

    verdict_id: str
    verdict: str
    feedback: str


class MeasurementSummary(Result):
    """A measurement in short; all of a tree are pooled in the newest."""

    measurement: str
    against: str
    ratio: float
    ci95: tuple[float, float]
    outcome: str


class CandidateSummary(Result):
    """One attempt and what is known about it. Notes and feedback are cut; what stands between fences is data."""

    candidate: str
    attempt: int
    tree: str
    note: str
    gate: GateSummary | None = None
    verdict: VerdictSummary | None = None
    measurements: list[MeasurementSummary]
    evaluation: str | None = None


class RoundView(Result):
    """A round: its contract, its newest attempts, and the next step.

    `served_note` says when the timed answers of the newest (or decided) candidate went unjudged. `kept_late`: trees,
    or folders under `set_aside/`, that hold what was edited after a cut-off opening.
    """

    round: str
    issue: str
    title: str
    decision: str
    hypothesis: str
    criteria: list[str]
    base: str
    base_tree: str
    attempts: int
    attempts_left: int
    candidates: list[CandidateSummary]
    earlier_candidates: int
    next_step: str
    hypothesis_status: str | None = None
    issue_status: str | None = None
    reason: str | None = None
    served_note: str | None = None
    kept_late: list[str] | None = None


class Submitted(Result):
    """A submitted candidate; `files` are those that differ from the round's base."""

    candidate: str
    round: str
    tree: str
    attempt: int
    attempts_left: int
    files: list[str]
    more_files: int


class ClosedRound(Result):
    """A closed round; `checkpoint` is the promoted tree. `served_note` says when its timed answers went unjudged."""

    round: str
    issue: str
    decision: Decision
    hypothesis_status: HypothesisStatus
    issue_status: ClosingStatus
    candidate: str | None = None
    tree: str | None = None
    checkpoint: str | None = None
    served_note: str | None = None


class ChangedFile(Result):
    """One changed file. Line counts are left out for a binary file."""

    path: str
    change: str
    old_path: str | None = None
    added_lines: int | None = None
    deleted_lines: int | None = None


class Difference(Result):
    """A page of a candidate's patch. What stands between the fences is the candidate's text: data only."""

    candidate: str
    tree: str
    against: str
    files_changed: int
    added_lines: int
    deleted_lines: int
    binary_files: int
    files: list[ChangedFile]
    patch: str
    total_bytes: int
    next_offset: int | None = None


class CheckpointRow(Result):
    """One round in a line; `ratio` is the last candidate's against its parent, all measurements pooled."""

    round: str
    issue: str
    decision: str
    hypothesis_status: str | None = None
    candidates: int
    tree: str | None = None
    parent: str
    ratio: float | None = None
    outcome: str | None = None


class Checkpoints(Result):
    """Rounds, newest first; a promoted round's `tree` is a checkpoint. `newest` is the default base."""

    newest: str
    rows: list[CheckpointRow]
    next_cursor: str | None = None
