"""Does this machine have what sandboxes need? For `vibeserve doctor`."""

import sys
from dataclasses import dataclass

from vibeserve.core.errors import VibeServeError

from .job import Job, Limits
from .runtime import python_runtime
from .sandbox import bwrap_path, limits_mechanism, run

_WAIT_S = 20
_EGRESS = """
import socket
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.settimeout(2)
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
    """All questions; those that need a sandbox are left out where none starts."""
    checks = [_bubblewrap()]
    if checks[0].ok:
        checks.append(_succeeds("sandbox", ("true",), "a sandbox starts"))
    if all(check.ok for check in checks):
        isolated = (sys.executable, "-I", "-c")
        checks.append(_succeeds("python", (*isolated, "import ssl"), f"{sys.executable} runs inside"))
        checks.append(_succeeds("network", (*isolated, _EGRESS), "nothing leaves a sandbox"))
        checks.append(_limits())
    return tuple(checks)


def _bubblewrap() -> Check:
    try:
        return Check("bubblewrap", True, bwrap_path())
    except VibeServeError as error:
        return Check("bubblewrap", False, error.message, error.next_step)


def _succeeds(name: str, command: tuple[str, ...], meaning: str) -> Check:
    try:
        outcome = run(Job(command, python_runtime(), limits=Limits(wall_s=_WAIT_S)))
    except VibeServeError as error:
        return Check(name, False, error.message, error.next_step)
    if outcome.ok:
        return Check(name, True, meaning)
    detail = f"{outcome.status}, exit code {outcome.exit_code}: {outcome.stderr[-500:]}"
    return Check(name, False, detail, "Make the interpreter readable by this user, or use another one.")


def _limits() -> Check:
    """Weaker limits still hold, so this is never a failure."""
    mechanism = limits_mechanism()
    if mechanism.startswith("cgroup"):
        return Check("limits", True, f"memory and processes by {mechanism}")
    fix = "For limits in the kernel, run where a cgroup with memory and pids controllers is writable."
    return Check("limits", True, f"weak: memory by {mechanism}, every 50 ms", fix)
