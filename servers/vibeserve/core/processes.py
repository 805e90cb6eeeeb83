"""Which processes live: a pid with its start time never means two processes."""

import contextlib
import os
from pathlib import Path


def process_started(pid: int) -> str:
    """When a process started, in clock ticks since boot; "" when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except FileNotFoundError:
        return "" if Path("/proc/self").exists() else _started_without_proc(pid)
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]


def own_identity() -> str:
    """This process as `pid.started`, to be recognized by others."""
    pid = os.getpid()
    return f"{pid}.{process_started(pid)}"


def is_alive(identity: str) -> bool:
    """Whether the process of an `own_identity` still lives."""
    pid, _, started = identity.partition(".")
    return pid.isdigit() and process_started(int(pid)) == started != ""


def _started_without_proc(pid: int) -> str:
    """The same on systems without /proc (macOS)."""
    import psutil

    with contextlib.suppress(psutil.Error):
        return str(psutil.Process(pid).create_time())
    return ""
