"""What the commands and services of one session share."""

import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path

from vibeserve.core.session import Session
from vibeserve.lab.isolation import Network
from vibeserve.lab.serving import Service

_KEY = "sandbox.workbench"
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


def _make(session: Session) -> Workbench:
    scratch = session.run.scratch("workbench")
    session.resources.callback(shutil.rmtree, scratch, ignore_errors=True)
    network = session.resources.enter_context(Network())

    def close_when_cancelled() -> None:
        session.cancelled.wait()
        network.close()  # a service that is waited for would hold up the session's end

    threading.Thread(target=close_when_cancelled, daemon=True).start()
    return Workbench(network, scratch)
