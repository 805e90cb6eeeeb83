"""The launch contract: start a server, wait for its health, prove that the port is its own."""

import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vibeserve.core.errors import BadRequest, CandidateFailed, InfrastructureFailed, ServerKilled, VibeServeError
from vibeserve.lab.isolation import Job, Limits, Mount, Network, Outcome, Process, python_runtime, start

from .sockets import listeners, socket_inodes

WORKSPACE_AT = "/workspace"
MODEL_AT = "/model"

_POLL_S = 0.03
_PROBE_TIMEOUT_S = 1.0
_DEATH_REPORT_S = 5.0  # how long after its sockets a dead server may still count as running
_LOG_TAIL_BYTES = 4000
_SERVICE_LIMITS = Limits(wall_s=24 * 3600, processes=4096)


@dataclass(frozen=True)
class LaunchSpec:
    """How a server is started. Placeholders in `command`: {python} {port} {model} {dtype} {target}.

    {target} is where the launched tree is mounted. The server listens on 127.0.0.1:{port} and answers
    `health_path` with 2xx once it can serve, within `boot_timeout_s`.
    """

    command: tuple[str, ...]
    health_path: str = "/health"
    boot_timeout_s: float = 60
    env: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = _SERVICE_LIMITS


class Service:
    """A healthy server that owns its port."""

    def __init__(self, process: Process, network: Network, port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"  # inside its network
        self.boot_s = 0.0
        self._network, self._port = network, port

    def freeze(self) -> None:
        """Stop all its processes where they are."""
        self.process.freeze()

    def thaw(self) -> None:
        """Let it go on."""
        self.process.thaw()

    def stop(self) -> Outcome:
        """End it; nothing of it is left on return."""
        return self.process.stop()

    def log_tail(self) -> str:
        """The last of what it wrote: hostile text, made visible."""
        return self.process.log()[-_LOG_TAIL_BYTES:]

    def require_alive(self) -> None:
        """Raise ServerKilled or CandidateFailed with how it ended and its log tail, if it has ended."""
        outcome = self.process.exit
        if outcome is None and not listeners(self._network.holder_pid, self._port):
            outcome = self.process.wait(_DEATH_REPORT_S)  # its clients saw it go before we were told
        if outcome:
            raise self.death(outcome, "The server died")

    def death(self, outcome: Outcome, what: str) -> VibeServeError:
        """What its end means: ServerKilled when SIGKILL came and no limit was passed, else CandidateFailed."""
        if outcome.killed:
            return ServerKilled(
                f"{what}: it was killed (SIGKILL), and by no limit of ours.",
                "Call again: this counts against nobody unless it repeats.",
                evidence=self.log_tail(),
            )
        return CandidateFailed(
            f"{what}: {_describe_end(outcome)}.", "Read its log and run it in the sandbox.", evidence=self.log_tail()
        )


def launch(
    spec: LaunchSpec,
    *,
    root: Path,
    model: Path,
    dtype: str,
    network: Network,
    log_path: Path,
    port: int = 8000,
    mounts: tuple[Mount, ...] = (),
    writable: bool = False,
) -> Service:
    """Start the server of `root` (at /workspace) over `model` (read-only at /model); wait for health.

    Raises CandidateFailed when it dies, never gets healthy, or another process owns the port, each with the
    log tail; ServerKilled when it is killed; InfrastructureFailed when the port is taken beforehand or the
    sandbox fails.
    """
    if listeners(network.holder_pid, port):
        raise InfrastructureFailed(f"Port {port} is already taken in this network.", "Stop what listens there.")
    values = {
        "python": sys.executable,
        "port": str(port),
        "model": MODEL_AT,
        "dtype": dtype,
        "target": WORKSPACE_AT,
    }
    shown = (Mount(root, WORKSPACE_AT, writable), Mount(model, MODEL_AT), *python_runtime(), *mounts)
    job = Job(_filled(spec.command, values), shown, cwd=WORKSPACE_AT, env=spec.env, limits=spec.limits)
    process = start(job, network=network, log_path=log_path)
    began = time.monotonic()
    service = Service(process, network, port)
    try:
        _await_health(service, spec, network, port, began + spec.boot_timeout_s)
        service.boot_s = time.monotonic() - began
        _require_port_owned(service, network, port)
    except BaseException:
        process.stop(grace_s=0)
        raise
    return service


def _filled(command: tuple[str, ...], values: dict[str, str]) -> tuple[str, ...]:
    """Every {name} replaced; other braces stay, and nothing of a value is evaluated."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            known = " ".join(f"{{{name}}}" for name in values)
            raise BadRequest(f"The launch command has an unknown placeholder {match[0]}.", f"Use {known}.")
        return values[match[1]]

    return tuple(re.sub(r"\{(\w+)\}", value, word) for word in command)


def _await_health(service: Service, spec: LaunchSpec, network: Network, port: int, deadline: float) -> None:
    while True:
        outcome = service.process.exit
        if outcome:
            raise service.death(outcome, "The server ended before it was healthy")
        status = network.probe(port, spec.health_path, _PROBE_TIMEOUT_S)
        if status is not None and 200 <= status < 300:
            return
        if time.monotonic() > deadline:
            last = f"it answered {status}" if status else "it did not answer"
            raise CandidateFailed(
                f"The server was not healthy after {spec.boot_timeout_s:g} s: {last} at {spec.health_path}.",
                f"It must listen on 127.0.0.1:{port} and answer GET {spec.health_path} with 200.",
                evidence=service.log_tail(),
            )
        service.process.wait(_POLL_S)


def _require_port_owned(service: Service, network: Network, port: int) -> None:
    """Every socket that listens on the port, on any address, belongs to the server's own process tree."""
    owned = socket_inodes(service.process.pids())
    listening = listeners(network.holder_pid, port)
    foreign = [listener for listener in listening if listener.inode not in owned]
    if foreign or not listening:
        service.require_alive()
        raise CandidateFailed(
            f"Port {port} is answered by a process that is not the server's own.",
            "Listen on the given port from the started process tree.",
            evidence=f"foreign listeners: {foreign}\n{service.log_tail()}",
        )


def _describe_end(outcome: Outcome) -> str:
    """How it ended, in words."""
    words = {
        "exited": f"exit status {outcome.exit_code}",
        "timed_out": "its time was up",
        "out_of_memory": "it used more memory than allowed",
        "output_limit": "it wrote more output than allowed",
        "cancelled": "it was stopped",
    }
    return words[outcome.status]
