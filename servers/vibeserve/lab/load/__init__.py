"""Open-loop load, its samples and figures, and the comparison of paired figures."""

from vibeserve.lab.load.arrivals import poisson
from vibeserve.lab.load.drive import drive
from vibeserve.lab.load.plan import Plan, Request
from vibeserve.lab.load.sample import Sample
from vibeserve.lab.load.statistics import Comparison, compare
from vibeserve.lab.load.summary import Summary, summarize

__all__ = [
    "Comparison",
    "Plan",
    "Request",
    "Sample",
    "Summary",
    "compare",
    "drive",
    "poisson",
    "summarize",
]
