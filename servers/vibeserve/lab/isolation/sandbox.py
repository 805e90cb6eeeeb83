"""Running a job in a sandbox: to its end, or as a long-running process."""

import shutil
import sys
import threading
import time
from pathlib import Path, PurePosixPath
from typing import Any

from vibeserve.core.errors import BadRequest, InfrastructureFailed

from .job import Job, Mount, Outcome
from .network import Network
from .process import Process, outcome_of
from .spawning import Supervisor
from .supervisor.plan import Plan, PlannedMount, encode

_CANCEL_POLL_S = 0.05
# A supervisor that has said nothing this long after the job's own limit is itself at fault.
_PATIENCE_S = 60.0


def run(job: Job, *, network: Network | None = None, cancel: threading.Event | None = None) -> Outcome:
    """Run a job to its end; without a network it has a loopback of its own and nothing else.

    Returns when every process of it is dead. Setting `cancel` ends it within a tenth of a second.
    Raises InfrastructureFailed when the sandbox itself fails, BadRequest when the job cannot be run.
    """
    supervisor = Supervisor("sandbox", encode(_plan(job, network, None)))
    try:
        return outcome_of(_await_end(supervisor, job.limits.wall_s + _PATIENCE_S, cancel))
    finally:
        supervisor.end()


def _await_end(supervisor: Supervisor, timeout_s: float, cancel: threading.Event | None) -> dict[str, Any]:
    deadline = time.monotonic() + timeout_s
    while (left_s := deadline - time.monotonic()) > 0:
        event = supervisor.event(min(left_s, _CANCEL_POLL_S) if cancel else left_s)
        if event and event["event"] == "ended":
            return event
        if cancel and cancel.is_set():
            supervisor.release()
    raise InfrastructureFailed("The sandbox's supervisor does not answer.", "Try again.")


def start(job: Job, *, network: Network | None = None, log_path: Path) -> Process:
    """Start a job that goes on; `limits.wall_s` still ends it.

    Both streams go to `log_path`, which always holds head and tail (`output_kept_bytes` together) around
    a marker line, brought up to date twenty times a second.
    """
    supervisor = Supervisor("sandbox", encode(_plan(job, network, log_path.absolute())))
    try:
        event = _await_start(supervisor)
    except BaseException:
        supervisor.end()
        raise
    return Process(supervisor, event["pid"], log_path)


def limits_mechanism() -> str:
    """What bounds memory and processes on this machine, as the supervisor of a trivial job reports it."""
    supervisor = Supervisor("sandbox", encode(_plan(Job(("true",)), None, None)))
    try:
        return str(_await_start(supervisor)["limits"])
    finally:
        supervisor.end()


def _await_start(supervisor: Supervisor) -> dict[str, Any]:
    """The report that the command has been let go."""
    event = supervisor.event(_PATIENCE_S)
    if event is None:
        raise InfrastructureFailed("The sandbox does not start.", "Try again; ask `vibeserve doctor`.")
    return event


def _plan(job: Job, network: Network | None, log_path: Path | None) -> Plan:
    _require_valid(job)
    limits = job.limits
    return Plan(
        bwrap=bwrap_path(),
        command=list(job.command),
        mounts=[_planned(mount, job.mounts[:place]) for place, mount in enumerate(job.mounts)],
        cwd=job.cwd,
        env=dict(job.env),
        network_holder=network.holder_pid if network else None,
        log_path=str(log_path) if log_path else None,
        wall_s=limits.wall_s,
        cpu_s=limits.cpu_s,
        memory_bytes=limits.memory_bytes,
        processes=limits.processes,
        open_files=limits.open_files,
        file_bytes=limits.file_bytes,
        tmp_bytes=limits.tmp_bytes,
        output_kept_bytes=limits.output_kept_bytes,
        output_max_bytes=limits.output_max_bytes,
    )


def _require_valid(job: Job) -> None:
    if not job.command or not job.command[0]:
        raise BadRequest("The command is empty.", "Give at least a program.")
    if any("\0" in text for text in (*job.command, job.cwd, *job.env.keys(), *job.env.values())):
        raise BadRequest("A command, directory or variable contains a NUL byte.", "Leave it out.")
    for name in job.env:
        if not name or "=" in name:
            raise BadRequest(f"{name!r} is no name for an environment variable.", "Give a name without `=`.")


def _planned(mount: Mount, earlier: tuple[Mount, ...]) -> PlannedMount:
    if not mount.at.startswith("/") or mount.at == "/" or ".." in mount.at.split("/") or "\0" in mount.at:
        raise BadRequest(f"{mount.at!r} is no place to mount at.", "Give an absolute path without `..`, not `/`.")
    if not mount.source.exists():
        raise BadRequest(f"{mount.source} cannot be mounted.", "Mount a file or directory that exists.")
    for other in earlier:
        if PurePosixPath(other.at).is_relative_to(mount.at):
            raise BadRequest(f"The mount at {mount.at} would hide the one at {other.at}.", "Mount elsewhere.")
    return PlannedMount(str(mount.source.resolve()), mount.at, mount.writable)


def bwrap_path() -> str:
    """Where bubblewrap is; raises InfrastructureFailed when this machine has none."""
    if sys.platform != "linux":
        raise InfrastructureFailed("Sandboxes need Linux.", "Run this on a Linux machine.")
    path = shutil.which("bwrap")
    if path is None:
        raise InfrastructureFailed("bubblewrap is not installed.", "Install it: apt-get install bubblewrap.")
    return path
