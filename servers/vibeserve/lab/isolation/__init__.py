"""Sandboxes: bubblewrap on Linux, for hostile code."""

from .checks import Check, self_check
from .job import Job, Limits, Mount, Outcome
from .network import Network
from .process import Process
from .runtime import python_runtime, vibeserve_source
from .sandbox import run, start

__all__ = [
    "Check",
    "Job",
    "Limits",
    "Mount",
    "Network",
    "Outcome",
    "Process",
    "python_runtime",
    "run",
    "self_check",
    "start",
    "vibeserve_source",
]
