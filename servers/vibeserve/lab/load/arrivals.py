"""Seeded arrival processes: one function per kind, each returns intended times in seconds."""

import math
import random

from vibeserve.core.errors import BadRequest


def poisson(rate_per_s: float, window_s: float, seed: int) -> tuple[float, ...]:
    """Arrivals of a Poisson process inside [0, window_s): independent exponential gaps of mean 1/rate.

    The same arguments give the same arrivals on every machine. Raises BadRequest unless rate and window
    are finite and positive.
    """
    if not (math.isfinite(rate_per_s) and rate_per_s > 0 and math.isfinite(window_s) and window_s > 0):
        raise BadRequest(
            f"Poisson arrivals need a finite positive rate and window, got rate_per_s={rate_per_s} and "
            f"window_s={window_s}.",
            "Send positive numbers.",
        )
    generator = random.Random(seed)  # noqa: S311  (a reproducible load, not a secret)
    arrivals: list[float] = []
    at_s = generator.expovariate(rate_per_s)
    while at_s < window_s:
        arrivals.append(at_s)
        at_s += generator.expovariate(rate_per_s)
    return tuple(arrivals)
