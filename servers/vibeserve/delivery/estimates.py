"""Ratios with what is known of their error, that can be multiplied and divided along a chain."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from vibeserve.lab.load.statistics import student_t


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean logarithm. `terms`: per independent part the variance of its mean and its degrees of freedom."""

    mean: float
    terms: tuple[tuple[float, int], ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate":
        """The estimate of at least two positive values (of ratios, or of one side's windows)."""
        logs = [math.log(value) for value in values]
        return cls(statistics.fmean(logs), ((statistics.variance(logs) / len(logs), len(logs) - 1),))

    def times(self, other: "Estimate") -> "Estimate":
        """The product with an independent one."""
        return Estimate(self.mean + other.mean, self.terms + other.terms)

    def inverse(self) -> "Estimate":
        """One over it."""
        return Estimate(-self.mean, self.terms)

    @property
    def value(self) -> float:
        """The geometric mean."""
        return math.exp(self.mean)

    @property
    def ci95(self) -> tuple[float, float]:
        """The t-interval: variances added, degrees of freedom by Welch and Satterthwaite, rounded down."""
        variance = sum(part for part, _ in self.terms)
        if variance == 0:
            return self.value, self.value
        degrees = variance**2 / sum(part**2 / degrees for part, degrees in self.terms)
        half = student_t(0.975, max(1, math.floor(degrees + 1e-9))) * math.sqrt(variance)
        return math.exp(self.mean - half), math.exp(self.mean + half)


PARITY = Estimate(0.0, ())
"""The reference over itself."""
