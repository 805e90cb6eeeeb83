"""Is one system faster than the other: paired ratios with a confidence interval and a noise floor."""

import math
import statistics
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from vibeserve.core.errors import BadRequest

Direction = Literal["higher", "lower"]
Verdict = Literal["better", "worse", "inconclusive"]


class Comparison(BaseModel):
    """`ratio` = geometric mean of candidate over other, with its 95 % confidence interval."""

    model_config = ConfigDict(frozen=True)

    ratio: float
    ci95: tuple[float, float]
    pairs: int
    verdict: Verdict


def compare(pairs: Sequence[tuple[float, float]], *, direction: Direction, relative_noise: float) -> Comparison:
    """Compare (candidate, other) values measured in pairs, by a t-interval on the log ratios.

    `direction` says which values are better. A verdict needs the whole interval on one side of parity and
    the ratio further from it than the factor 1 + `relative_noise`; anything else is inconclusive. Raises
    BadRequest for fewer than two pairs or for values that are not finite and positive.
    """
    logs = _log_ratios(pairs)
    if not (math.isfinite(relative_noise) and relative_noise >= 0):
        raise BadRequest(f"relative_noise is {relative_noise}, not a finite number of at least 0.")
    mean = statistics.fmean(logs)
    half = student_t(0.975, len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    return Comparison(
        ratio=math.exp(mean),
        ci95=(math.exp(mean - half), math.exp(mean + half)),
        pairs=len(logs),
        verdict=_verdict(mean, half, direction, math.log1p(relative_noise)),
    )


def _log_ratios(pairs: Sequence[tuple[float, float]]) -> list[float]:
    if len(pairs) < 2:
        raise BadRequest(f"A comparison needs at least 2 pairs, got {len(pairs)}.", "Measure more pairs.")
    for value in (value for pair in pairs for value in pair):
        if not (math.isfinite(value) and value > 0):
            raise BadRequest(f"A comparison needs finite positive values, got {value}.")
    return [math.log(candidate / other) for candidate, other in pairs]


def _verdict(mean: float, half: float, direction: Direction, floor: float) -> Verdict:
    gain = mean if direction == "higher" else -mean
    if gain - half > 0 and gain > floor:
        return "better"
    if gain + half < 0 and -gain > floor:
        return "worse"
    return "inconclusive"


def student_t(probability: float, degrees: int) -> float:
    """The quantile of Student's t for `probability` in (0.5, 1) and whole `degrees` of freedom.

    Bisects the closed form of the distribution (Abramowitz and Stegun 26.7.3 and 26.7.4), exact to
    rounding for whole degrees.
    """
    low, high = 0.0, math.pi / 2
    for _ in range(100):
        middle = (low + high) / 2
        if _central_probability(middle, degrees) < 2 * probability - 1:
            low = middle
        else:
            high = middle
    return math.tan(low) * math.sqrt(degrees)


def _central_probability(theta: float, degrees: int) -> float:
    """P(|T| < t) with theta = atan(t / sqrt(degrees))."""
    sine, cosine = math.sin(theta), math.cos(theta)
    odd = degrees % 2
    term = cosine if odd else 1.0
    total = term if degrees > 1 else 0.0
    for k in range(2 + odd, degrees - 1, 2):
        term *= (k - 1) / k * cosine * cosine
        total += term
    return 2 / math.pi * (theta + sine * total) if odd else sine * total
