"""Running a job in a sandbox: to its end, or as a long-running process."""

import shutil
import sys
import threading
from pathlib import Path

from vibeserve.core.errors import BadRequest, InfrastructureFailed

from .job import Job, Outcome
from .network import Network
from .process import Process, outcome_of
from .spawning import Supervisor
from .supervisor.plan import Plan, PlannedMount, encode

_CANCEL_POLL_S = 0.05
# A supervisor that has said nothing this long after the wall limit is itself at fault.
_SETUP_TIMEOUT_S = 60.0


def run(job: Job, *, network: Network | None = None, cancel: threading.Event | None = None) -> Outcome:
    """Run a job to its end; without a network it has a loopback of its own and nothing else.

    Returns when every process of it is dead. Setting `cancel` ends it within a tenth of a second.
    Raises InfrastructureFailed when the sandbox itself fails, BadRequest when the job cannot be run.
    """
    supervisor = Supervisor("sandbox", encode(_plan(job, network, None)))
    try:
        left_s = job.limits.wall_s + _SETUP_TIMEOUT_S
        while True:
            event = supervisor.event(_CANCEL_POLL_S if cancel else left_s)
            if event and event["event"] == "ended":
                return outcome_of(event)
            if cancel and cancel.is_set():
                supervisor.release()
            left_s -= 0 if event else (_CANCEL_POLL_S if cancel else left_s)
            if left_s <= 0:
                raise InfrastructureFailed("The sandbox's supervisor does not answer.", "Try again.")
    finally:
        supervisor.end()


def start(job: Job, *, network: Network | None = None, log_path: Path) -> Process:
    """Start a job that goes on; `limits.wall_s` still ends it.

    Both streams go to `log_path`, which always holds head and tail (`output_kept_bytes` together) around
    a marker line, brought up to date four times a second.
    """
    supervisor = Supervisor("sandbox", encode(_plan(job, network, log_path.absolute())))
    try:
        event = supervisor.event(_SETUP_TIMEOUT_S)
        if event is None:
            raise InfrastructureFailed(
                "The sandbox does not start.", "Try again; `vibeserve doctor` may say why."
            )
    except BaseException:
        supervisor.end()
        raise
    return Process(supervisor, event["init_pid"], log_path)


def _plan(job: Job, network: Network | None, log_path: Path | None) -> Plan:
    if not job.command:
        raise BadRequest("The command is empty.", "Give at least a program.")
    limits = job.limits
    return Plan(
        bwrap=bwrap_path(),
        command=list(job.command),
        mounts=[_planned(mount.source, mount.at, mount.writable) for mount in job.mounts],
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


def _planned(source: Path, at: str, writable: bool) -> PlannedMount:
    if not at.startswith("/") or at == "/" or ".." in at.split("/"):
        raise BadRequest(f"{at!r} is no place to mount at.", "Give an absolute path without `..`, not `/`.")
    if not source.exists():
        raise BadRequest(
            f"{source} cannot be mounted: it does not exist.", "Mount an existing file or directory."
        )
    return PlannedMount(str(source.resolve()), at, writable)


def bwrap_path() -> str:
    """Where bubblewrap is; raises InfrastructureFailed when this machine has none."""
    if sys.platform != "linux":
        raise InfrastructureFailed("Sandboxes need Linux.", "Run this on a Linux machine.")
    path = shutil.which("bwrap")
    if path is None:
        raise InfrastructureFailed(
            "bubblewrap is not installed.", "Install it: `apt-get install bubblewrap`."
        )
    return path
