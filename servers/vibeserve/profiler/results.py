"""What the profiler's tools return."""

from typing import Literal

from pydantic import Field

from vibeserve.core.tools import Result

Pair = tuple[float, float]
Figures = dict[str, float | int | str]
Outcome = Literal["better", "worse", "inconclusive"]


class Served(Result):
    """The judgement of a hidden sample of the timed responses. `measured` stands beside `threshold`."""

    status: Literal["passed", "failed", "inconclusive", "not_applicable"]
    measured: Figures = Field(default_factory=dict)
    threshold: Figures = Field(default_factory=dict)
    feedback: str = ""


class Also(Result):
    """A secondary figure, from the same windows; the same words as in a measurement.

    `values` are this measurement's pairs, the rest pools all. `missing` says why there is nothing to pool.
    """

    name: str
    unit: str
    direction: Literal["higher", "lower"]
    value: float | None = None
    against_value: float | None = None
    ratio: float | None = None
    ci95: tuple[float, float] | None = None
    pairs: int | None = None
    outcome: Outcome | None = None
    values: list[Pair] = Field(default_factory=list)
    missing: str | None = None


class Measurement(Result):
    """One side against the other, in `unit`.

    `value` and `against_value` are geometric means over the timed windows, `ratio` = value / against_value.
    `ratio`, `ci95`, `pairs` and `outcome` pool all `pooled` measurements of this tree against that one on
    this machine; `values` are this measurement's pairs (candidate, other). `coverage` names the stages that judge
    this target, `not_applicable` those that do not. `foreign_cores` is how many cores everything else on the
    machine kept busy during its windows, on average: near 0 on a quiet machine. `against` is parent, baseline or
    the name of one of the target's baselines; `also` are the target's secondary figures. `void_windows` counts those
    that were void, and repeated, by the side that was timed.
    """

    measurement: str
    candidate: str
    round: str
    tree: str
    target_digest: str
    against: str
    against_tree: str
    metric: str
    unit: str
    direction: Literal["higher", "lower"]
    value: float
    against_value: float
    ratio: float
    ci95: tuple[float, float]
    pairs: int
    pooled: int
    outcome: Outcome
    values: list[Pair]
    also: list[Also]
    seeds: list[int]
    served: Served
    coverage: list[str]
    not_applicable: list[str]
    foreign_cores: float
    void_windows: dict[str, int]
    environment: dict[str, str | int]
    artifact: str


class Evaluation(Result):
    """A recorded evaluation."""

    evaluation: str
    candidate: str
    round: str
    tree: str


class TrendRow(Result):
    """One measurement of one round's candidate."""

    round: str
    candidate: str
    measurement: str
    tree: str
    against: str
    ratio: float
    ci95: tuple[float, float]
    outcome: Outcome
    value: float
    at: str


class Trend(Result):
    """Measurements, newest first. `next_cursor` continues where this page ends."""

    metric: str
    unit: str
    direction: Literal["higher", "lower"]
    rows: list[TrendRow]
    next_cursor: int | None = None
