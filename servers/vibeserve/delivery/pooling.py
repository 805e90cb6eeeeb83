"""Measurements of one tree against one other system on one machine, taken together: none can be picked."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from vibeserve.core.ledger import Record
from vibeserve.core.run import Run
from vibeserve.delivery.estimates import Estimate
from vibeserve.delivery.facts import Figure, Secondary, Versus
from vibeserve.lab.load import compare
from vibeserve.profiler.secondary import geometric_means

Environment = dict[str, str | int]


@dataclass(frozen=True, slots=True)
class Pool:
    """At least one measurement; all of the same two systems in the same environment. `noise` is the target's."""

    records: tuple[Record, ...]
    noise: float

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """The pairs of window values (candidate, other)."""
        return [(mine, other) for record in self.records for mine, other in record.body["values"]]

    @property
    def speedup(self) -> Estimate:
        """How many times faster the candidate is: the ratio, or one over it where less is better."""
        ratio = Estimate.of([mine / other for mine, other in self.pairs])
        return ratio if self._newest["direction"] == "higher" else ratio.inverse()

    def versus(self) -> Versus:
        """The comparison as a report states it."""
        found = compare(self.pairs, direction=self._newest["direction"], relative_noise=self.noise)
        value, against_value = geometric_means(self.pairs)
        return Versus(
            ratio=found.ratio,
            ci95=found.ci95,
            verdict=found.verdict,
            unit=self._newest["unit"],
            value=value,
            against_value=against_value,
            pairs=found.pairs,
            measurements=[record.body["measurement"] for record in self.records],
        )

    def secondary(self, against: str) -> list[Secondary]:
        """The secondary figures of all these measurements; one that any of them lacks is missing."""
        names = {entry["name"]: entry for record in self.records for entry in record.body.get("also", [])}
        return [self._secondary(entry, against) for entry in names.values()]

    def _secondary(self, newest: dict[str, Any], against: str) -> Secondary:
        said = {"name": newest["name"], "unit": newest["unit"], "direction": newest["direction"], "against": against}
        entries = [
            entry for record in self.records for entry in record.body.get("also", []) if entry["name"] == newest["name"]
        ]
        missing = next((entry["missing"] for entry in entries if entry.get("missing")), None)
        if missing or len(entries) < len(self.records):
            return Secondary(**said, missing=missing or "One of the measurements was taken without it.")
        pairs = [(mine, other) for entry in entries for mine, other in entry["values"]]
        found = compare(pairs, direction=newest["direction"], relative_noise=self.noise)
        value, against_value = geometric_means(pairs)
        figures = {"ratio": found.ratio, "ci95": found.ci95, "verdict": found.verdict, "pairs": found.pairs}
        return Secondary(**said, **figures, value=value, against_value=against_value)

    @property
    def _newest(self) -> dict[str, Any]:
        return self.records[-1].body


def pool(
    run: Run, measurements: Iterable[Record], against_tree: str, environment: Environment, after: int = 0
) -> Pool | None:
    """Those of `measurements` against that system in that environment with seq above `after`, or None."""
    records = tuple(
        record
        for record in measurements
        if record.seq > after
        and record.body["against_tree"] == against_tree
        and record.body["environment"] == environment
    )
    return Pool(records, run.target.benchmark.relative_noise) if records else None


def figure(run: Run, values: list[float]) -> Figure | None:
    """The target's metric over the windows of one system; None for fewer than two."""
    if len(values) < 2:
        return None
    benchmark, estimate = run.target.benchmark, Estimate.of(values)
    return Figure(
        metric=benchmark.metric, unit=benchmark.unit, value=estimate.value, ci95=estimate.ci95, windows=len(values)
    )


def measurements(run: Run) -> list[Record]:
    """All measurements under this run's target digest, oldest first."""
    found = run.ledger.records("measurement.recorded")
    return [record for record in found if record.body["target_digest"] == run.target_digest]


def measured_on(run: Run) -> Environment | None:
    """The machine and versions of the newest measurement: unlike ones are never compared."""
    found = measurements(run)
    environment: Environment | None = found[-1].body["environment"] if found else None
    return environment
