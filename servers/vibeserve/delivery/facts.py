"""What a report states. A field that nobody measured is None: nothing here is ever filled in by guess."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from vibeserve.core.roles import Assurance
from vibeserve.delivery.attribution import Attribution

Interval = tuple[float, float]
Outcome = Literal["better", "worse", "inconclusive"]
Direction = Literal["higher", "lower"]


class Fact(BaseModel):
    """A part of a report."""

    model_config = ConfigDict(frozen=True)


class Figure(Fact):
    """A metric's geometric mean over `windows` timed windows, with a t-interval on their logarithms."""

    metric: str
    unit: str
    value: float
    ci95: Interval
    windows: int


class Versus(Fact):
    """One system over another: `ratio` = value / against_value, pooled over `measurements` of one machine."""

    ratio: float
    ci95: Interval
    verdict: Outcome
    unit: str
    value: float
    against_value: float
    pairs: int
    measurements: list[str]


class Secondary(Fact):
    """A secondary figure of the best against `against`; `missing` says why it has no numbers."""

    name: str
    unit: str
    direction: Direction
    against: str
    value: float | None = None
    against_value: float | None = None
    ratio: float | None = None
    ci95: Interval | None = None
    verdict: Outcome | None = None
    pairs: int | None = None
    missing: str | None = None


class Speedup(Fact):
    """How many times faster than the reference, above 1 is faster. `chained`: a product of ratios against parents."""

    ratio: float
    ci95: Interval
    chained: bool


class StageFacts(Fact):
    """One stage of a gate: measured numbers beside their thresholds."""

    name: str
    status: str
    measured: dict[str, float | int | str]
    threshold: dict[str, float | int | str]


class GateFacts(Fact):
    """The deciding gate of a tree."""

    gate: str
    status: str
    stages: list[StageFacts]


class AttemptFacts(Fact):
    """One submitted candidate. `gate` is passed, failed, inconclusive or None; `verdict` is the Judge's."""

    candidate: str
    tree: str
    gate: str | None
    failed_stage: str | None
    verdict: str | None


class RoundFacts(Fact):
    """One round. `tree`, `gate`, `headline`, `vs_parent` and `speedup` are those of the candidate decided about."""

    round: str
    issue: str
    title: str
    hypothesis: str
    attempts: list[AttemptFacts]
    decision: str
    hypothesis_status: str | None
    reason: str | None
    base: str
    candidate: str | None
    tree: str | None
    gate: GateFacts | None
    headline: Figure | None
    vs_parent: Versus | None
    speedup: Speedup | None


class BaselineFacts(Fact):
    """What candidates are compared with: the reference, and the baselines that the target declares."""

    name: str
    title: str
    strong: bool
    headline: Figure | None
    speedup: Speedup | None


class BestFacts(Fact):
    """The newest checkpoint that stands; its ratios pool only what was measured after its promotion."""

    round: str
    candidate: str
    tree: str
    vs_reference: Versus | None
    vs_strong_baseline: Versus | None
    also: list[Secondary]
    speedup: Speedup | None


class AuditFacts(Fact):
    """The audit that the report stands on. `records` is also the record it is as of."""

    ok: bool
    records: int


class RoleSeconds(Fact):
    """A role's turns. `seconds`, `calls` and `share` are None where its turns were played without a driver."""

    turns: int
    calls: int | None
    seconds: float | None
    share: float | None
    records: int


class Seconds(Fact):
    """Wall time of the driven turns. `overhead`: server starts between turns, the driver itself, and pauses."""

    total: float | None
    per_role: dict[str, RoleSeconds]
    overhead: float | None


class Report(Fact):
    """A whole run, as of its newest record. `notes` say what the reader must know to read the figures rightly."""

    run: str
    target: str
    title: str
    preset: str
    assurance: Assurance
    metric: str
    unit: str
    direction: Direction
    hardware: dict[str, str | int] | None
    baselines: list[BaselineFacts]
    rounds: list[RoundFacts]
    best: BestFacts | None
    audit: AuditFacts
    seconds: Seconds
    attribution: list[Attribution] | None
    notes: list[str]

    @property
    def confirmed(self) -> Speedup | None:
        """The best's speed-up over the reference as measured after its promotion."""
        return self.best.speedup if self.best else None
