"""Does this machine have what sandboxes need? For `vibeserve doctor`."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from vibeserve.core.errors import InfrastructureFailed

from .job import Job, Limits, Outcome
from .runtime import python_runtime
from .sandbox import bwrap_path, run

_EGRESS = """
import socket
socket.setdefaulttimeout(2)
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.connect(("192.0.2.1", 53))
        except OSError:
            continue
        raise SystemExit("a packet can leave")
"""


@dataclass(frozen=True)
class Check:
    """One question about the machine, its answer, and what to do when the answer is no."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


def self_check() -> tuple[Check, ...]:
    """Ask all questions; the first two failing make the rest meaningless, so they are then left out."""
    checks = [_bubblewrap()]
    if checks[0].ok:
        checks.append(_outcome("sandbox", Job(("true",)), "a sandbox starts"))
    if all(check.ok for check in checks):
        python = Job((sys.executable, "-I", "-c", "import ssl"), python_runtime(), limits=Limits(wall_s=20))
        egress = Job((sys.executable, "-I", "-c", _EGRESS), python_runtime(), limits=Limits(wall_s=20))
        checks.append(_outcome("python", python, f"{sys.executable} runs inside"))
        checks.append(_outcome("network", egress, "nothing leaves a sandbox"))
        checks.append(_limits())
    return tuple(checks)


def _bubblewrap() -> Check:
    try:
        return Check("bubblewrap", True, bwrap_path())
    except InfrastructureFailed as error:
        return Check("bubblewrap", False, error.message, error.next_step)


def _outcome(
    name: str, job: Job, detail: str, judge: Callable[[Outcome], bool] = lambda outcome: outcome.ok
) -> Check:
    try:
        outcome = run(job)
    except InfrastructureFailed as error:
        return Check(name, False, f"{error.message} {error.evidence}".strip(), error.next_step)
    if judge(outcome):
        return Check(name, True, detail)
    return Check(name, False, f"{outcome.status} {outcome.exit_code}: {outcome.stderr[-500:]}")


def _limits() -> Check:
    return Check("limits", True, "?")
