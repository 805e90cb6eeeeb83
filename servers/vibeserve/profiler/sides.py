"""The two systems of a measurement, each a service in its own sandbox and on its own network."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vibeserve.core.session import Session
from vibeserve.lab.isolation import Network
from vibeserve.lab.serving import Service
from vibeserve.lab.stand.cancelling import closed_on_cancel
from vibeserve.lab.stand.systems import beyond_blame, root_of, start_system

OTHER = "The side that the candidate is measured against"


@dataclass(frozen=True)
class Side:
    """One system under load. `tree` is a git tree id or "reference"; it is frozen unless it is timed."""

    tree: str
    is_candidate: bool
    service: Service
    network: Network

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Thawed inside the context, frozen again after it."""
        self.service.thaw()
        try:
            yield
        finally:
            self.service.freeze()

    def blame(self) -> contextlib.AbstractContextManager[None]:
        """Inside it a CandidateFailed stays one only if this side is the candidate."""
        return contextlib.nullcontext() if self.is_candidate else beyond_blame(OTHER)

    def require_alive(self) -> None:
        """Raise CandidateFailed when the candidate died, InfrastructureFailed when the other side did."""
        with self.blame():
            self.service.require_alive()


def start_side(session: Session, stack: contextlib.ExitStack, tree: str, scratch: Path, *, is_candidate: bool) -> Side:
    """Start the system of `tree` in the preset's dtype and freeze it; `stack` stops it."""
    run, name = session.run, "candidate" if is_candidate else "other"
    root = root_of(run, tree, scratch / name)
    network = stack.enter_context(Network())
    log = scratch / f"{name}.log"
    with closed_on_cancel(session, network), contextlib.nullcontext() if is_candidate else beyond_blame(OTHER):
        service = start_system(run, tree, root, dtype=run.preset.dtype, network=network, log_path=log)
    stack.callback(service.stop)
    service.freeze()
    return Side(tree, is_candidate, service, network)
