"""The console scripts of the six servers, and the one process that serves a whole role."""

import argparse
import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vibeserve.core import jobs
from vibeserve.core.errors import VibeServeError
from vibeserve.core.locks import exclusive
from vibeserve.core.roles import Actor, Role
from vibeserve.core.run import Run, open_run
from vibeserve.core.session import Session, new_session_id
from vibeserve.gateway.binding import Caller, call_directly
from vibeserve.gateway.build import SERVERS, build

CallerFor = Callable[[Session], Caller]


def unrecorded(_session: Session) -> Caller:
    """Tools are called as they are."""
    return call_directly


def serve(servers: Sequence[str], arguments: Sequence[str] | None = None, caller_for: CallerFor = unrecorded) -> None:
    """Parse arguments and serve until the client leaves."""
    options = _parser(servers).parse_args(arguments)
    try:
        run = open_run(options.run)
        run.created  # noqa: B018 - a run that was never completely created is refused here
        session = open_session(run, Role(options.role))
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with _only_server_of(session):
            _serve(session, servers, options.http, caller_for(session))
    except VibeServeError as error:
        sys.exit(f"vibeserve: {error}")
    except KeyboardInterrupt:
        pass


def open_session(run: Run, role: Role) -> Session:
    """The session of this process. A driver names turn and client in the environment."""
    name = os.environ.get("VIBESERVE_SESSION") or new_session_id()
    return Session(run, Actor(role, name, client=os.environ.get("VIBESERVE_CLIENT", "interactive")))


@contextmanager
def _only_server_of(session: Session) -> Iterator[None]:
    """Wait until no other process serves this session.

    When a driver is killed, the server of its turn still finishes or drops what it was doing; the server of the
    resumed turn must see how that ended.
    """
    folder = session.run.layout.sessions
    folder.mkdir(exist_ok=True)
    with exclusive(folder / f"{re.sub(r'[^A-Za-z0-9-]', '_', session.actor.session)}.lock"):
        jobs.sweep(session.run)
        yield


def _serve(session: Session, servers: Sequence[str], port: int | None, caller: Caller) -> None:
    if port is None:
        asyncio.run(build(session, servers, caller).run_stdio_async(show_banner=False))
        return
    from vibeserve.gateway import http

    listener = http.bind_port(port)
    token, path = http.role_token(session.run, session.role)
    server = build(session, servers, caller, http.token_auth(token, session.role))
    url = f"http://{http.LOOPBACK}:{listener.getsockname()[1]}/mcp"
    print(f"{url}\nbearer token in {path}", file=sys.stderr, flush=True)
    asyncio.run(http.serve(server, listener))


def _parser(servers: Sequence[str]) -> argparse.ArgumentParser:
    name = f"vibeserve-{servers[0]}" if len(servers) == 1 else "vibeserve mcp"
    parser = argparse.ArgumentParser(name, description=f"MCP server of VibeServe: {', '.join(servers)}.")
    parser.add_argument("--run", type=Path, required=True, metavar="DIR", help="the run's directory")
    parser.add_argument("--role", choices=[role.value for role in Role], required=True)
    parser.add_argument("--http", type=int, metavar="PORT", help="serve over HTTP on loopback (0: any free port)")
    return parser


def role(arguments: Sequence[str] | None = None) -> None:
    """All that a role needs, from one process."""
    serve(SERVERS, arguments)


def issues() -> None:
    """Run `vibeserve-issues`."""
    serve(["issues"])


def memory() -> None:
    """Run `vibeserve-memory`."""
    serve(["memory"])


def checkpoints() -> None:
    """Run `vibeserve-checkpoints`."""
    serve(["checkpoints"])


def sandbox() -> None:
    """Run `vibeserve-sandbox`."""
    serve(["sandbox"])


def accuracy() -> None:
    """Run `vibeserve-accuracy`."""
    serve(["accuracy"])


def profiler() -> None:
    """Run `vibeserve-profiler`."""
    serve(["profiler"])
