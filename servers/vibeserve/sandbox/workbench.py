"""What the commands and services of one session share."""

import contextlib
import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.core.folders import remove_folder
from vibeserve.core.session import Session
from vibeserve.lab.isolation import Network
from vibeserve.lab.serving import Service

_KEY = "sandbox.workbench"
REMOVE_WITHIN_S = 5.0
_making = threading.Lock()


@dataclass
class StartedService:
    """A service of this session, running or over."""

    name: str
    command: str
    port: int
    place: str
    service: Service
    stopped: bool = False


@dataclass
class Workbench:
    """One private network, one scratch folder, the services by name. All of it ends with the session."""

    network: Network
    scratch: Path
    services: dict[str, StartedService] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    started: int = 0
    starting: set[int] = field(default_factory=set)


def workbench_of(session: Session) -> Workbench:
    """The session's workbench, made on first use."""
    with _making:
        bench: Workbench | None = session.shared.get(_KEY)
        if bench is None:
            bench = session.shared[_KEY] = _make(session)
    return bench


def hold(session: Session, undo: Callable[[], object]) -> None:
    """Have `undo` called when the session ends. A session that closed meanwhile has it called at once, and raises."""
    session.resources.callback(undo)
    if session.cancelled.is_set():
        undo()
        raise InfrastructureFailed("This was stopped with its session.", "Call again in a new session.")


def _make(session: Session) -> Workbench:
    scratch = session.run.scratch("workbench")
    hold(session, functools.partial(_remove, scratch))
    network = Network()
    hold(session, network.close)

    def close_when_cancelled() -> None:
        session.cancelled.wait()
        network.close()  # a service that is waited for would hold up the session's end

    threading.Thread(target=close_when_cancelled, daemon=True).start()
    return Workbench(network, scratch)


def _remove(folder: Path) -> None:
    """Remove the scratch folder; a command that is just being killed may still write to it."""
    deadline = time.monotonic() + REMOVE_WITHIN_S
    while folder.exists() and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            remove_folder(folder)
            return
        time.sleep(0.05)
