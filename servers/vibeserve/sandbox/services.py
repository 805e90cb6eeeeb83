"""Services that a role keeps running on its session's private network."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Literal

from vibeserve.core.errors import BadRequest, BudgetSpent, CandidateFailed, Conflict, NotFound, ServerKilled
from vibeserve.core.session import Session
from vibeserve.core.target import fill
from vibeserve.core.texts import fenced
from vibeserve.lab.serving import LaunchSpec, Service, launch
from vibeserve.lab.serving.sockets import listeners
from vibeserve.sandbox.commands import COMMAND_BYTES, environment, limits
from vibeserve.sandbox.outputs import tail
from vibeserve.sandbox.places import Place, place_of
from vibeserve.sandbox.results import ServiceReport
from vibeserve.sandbox.workbench import StartedService, Workbench, hold, workbench_of

MAX_RUNNING = 4
SHELL_LINE = ("/bin/sh", "-c", 'eval "$SERVICE_COMMAND"')
MAX_SERVICE_S = 24 * 3600.0
LOG_BYTES = 4000
SHORT_LOG_BYTES = 1200


def start_service(session: Session, command: str | None, port: int) -> ServiceReport:
    """Start the launch contract, or a shell line, and wait until it answers its health path."""
    if not 1024 <= port <= 65535:
        raise BadRequest(f"port is {port}.", "Send 1024 to 65535.")
    spec = _spec(session, command)
    bench = workbench_of(session)
    place = place_of(session, bench)
    with _reserved(bench, port) as name:
        session.progress(f"waiting until {name} answers {spec.health_path}")
        service = _launch(session, bench, place, spec, name, port, writable=place.writable and command is not None)
        hold(session, functools.partial(service.process.stop, 0))
        started = StartedService(name, _shown_command(session, command, port), port, place.meaning, service)
        bench.services[name] = started
    return _report(started, SHORT_LOG_BYTES)


def service_logs(session: Session, service: str | None) -> ServiceReport:
    """The end of a service's log, and whether it still runs."""
    return _report(_find(workbench_of(session), service), LOG_BYTES)


def stop_service(session: Session, service: str | None) -> ServiceReport:
    """Stop a service with all its processes; its log becomes an artifact."""
    bench = workbench_of(session)
    with bench.lock:
        found = _find(bench, service)
        if not found.stopped:
            found.service.stop()
            found.stopped = True
    artifact = session.run.artifacts.put(found.service.process.log(), f"{found.name}.log")
    return _report(found, SHORT_LOG_BYTES).model_copy(update={"artifact": artifact})


def _spec(session: Session, command: str | None) -> LaunchSpec:
    declared = session.run.target.launch
    if command is not None and (not command.strip() or len(command.encode()) > COMMAND_BYTES or "\0" in command):
        raise BadRequest(
            f"The command is empty, holds a NUL character, or has more than {COMMAND_BYTES} bytes.",
            "Leave it out for the target's launch contract, or send one shell line.",
        )
    if command is None:
        words, variables = declared.command, {}
    else:  # as a variable: its braces are no placeholders
        words, variables = SHELL_LINE, {**environment(), "SERVICE_COMMAND": command}
    return LaunchSpec(
        command=words,
        health_path=declared.health,
        boot_timeout_s=declared.boot_timeout_s,
        env=variables,
        limits=limits(session.run, MAX_SERVICE_S),
    )


def _launch(
    session: Session, bench: Workbench, place: Place, spec: LaunchSpec, name: str, port: int, *, writable: bool
) -> Service:
    try:
        return launch(
            spec,
            root=place.folder,
            model=session.run.model,
            dtype=session.run.preset.dtype,
            network=bench.network,
            log_path=bench.scratch / f"{name}.log",
            port=port,
            writable=writable,
        )
    except CandidateFailed as error:
        next_step = f"{error.next_step} Correct it and call start_service again."
        evidence = fenced(tail(error.evidence, SHORT_LOG_BYTES))
        raise CandidateFailed(error.message, next_step, evidence) from error


@contextlib.contextmanager
def _reserved(bench: Workbench, port: int) -> Iterator[str]:
    """A new service's name; its port is nobody else's while it starts."""
    with bench.lock:
        _require_room(bench, port)
        bench.starting.add(port)
        bench.started += 1
        name = f"svc-{bench.started}"
    try:
        yield name
    finally:
        bench.starting.discard(port)


def _shown_command(session: Session, command: str | None, port: int) -> str:
    if command is not None:
        return tail(command, SHORT_LOG_BYTES)
    values = {"python": "python", "port": port, "model": "/model", "dtype": session.run.preset.dtype}
    return " ".join(fill(session.run.target.launch.command, {**values, "target": "/workspace"}))


def _require_room(bench: Workbench, port: int) -> None:
    """Refuse a port that is taken, and more services than a session may have."""
    running = [each for each in bench.services.values() if not each.stopped and each.service.process.running()]
    holder = next((each for each in running if each.port == port), None)
    if holder is not None:
        raise Conflict(
            f"Port {port} is taken by {holder.name}.", f"stop_service({holder.name}) first, or use another port."
        )
    if port in bench.starting or listeners(bench.network.holder_pid, port):
        raise Conflict(f"Port {port} is taken by another process of this session.", "Use another port.")
    if len(running) + len(bench.starting) >= MAX_RUNNING:
        raise BudgetSpent(f"{MAX_RUNNING} services are running.", "stop_service ends one that is not needed.")


def _find(bench: Workbench, service: str | None) -> StartedService:
    if service is None and bench.services:
        return next(reversed(bench.services.values()))
    found = bench.services.get(service or "")
    if found is None:
        names = ", ".join(bench.services) or "none"
        asked = "no service" if service is None else f"no service {service[:40]!a}"
        raise NotFound(f"There is {asked} in this session.", f"start_service starts one; started so far: {names}.")
    return found


def _report(started: StartedService, log_bytes: int) -> ServiceReport:
    state, message = _state(started)
    return ServiceReport(
        service=started.name,
        state=state,
        url=started.service.url,
        command=started.command,
        place=started.place,
        boot_s=round(started.service.boot_s, 3),
        log=fenced(tail(started.service.process.log(), log_bytes)),
        message=message,
    )


def _state(started: StartedService) -> tuple[Literal["running", "ended", "stopped"], str | None]:
    """Whether a service runs, and how it ended when nobody stopped it."""
    if started.stopped:
        return "stopped", None
    try:
        started.service.require_alive()
    except (CandidateFailed, ServerKilled) as error:
        return "ended", error.message
    return "running", None
