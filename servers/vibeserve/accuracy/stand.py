"""The test stand of one gate: the candidate in its sandbox, on a private loopback that its judges reach."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vibeserve.core.disk import require_room
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.lab.isolation import Network
from vibeserve.lab.serving import Service
from vibeserve.lab.stand.cancelling import closed_on_cancel, require_wanted
from vibeserve.lab.stand.scratch import scratch_folder
from vibeserve.lab.stand.systems import root_of, start_system


@dataclass
class Stand:
    """What the stages work with. The candidate sees its own tree and the model, and nothing of the target."""

    session: Session
    tree: str
    root: Path
    scratch: Path
    network: Network
    service: Service | None = None
    dtype: str = ""
    seeds: dict[str, int] = field(default_factory=dict)
    logs: list[Path] = field(default_factory=list)

    @property
    def run(self) -> Run:
        """The run that is judged in."""
        return self.session.run

    def progress(self, message: str) -> None:
        """Tell who waits; a cancelled session or a full disk ends the gate here."""
        self.require_wanted()
        self.session.progress(message)

    def require_wanted(self) -> None:
        """Raise InfrastructureFailed when the session was cancelled, DiskFull when nothing can be written any more."""
        require_wanted(self.session)
        require_room(self.scratch)

    def start(self, dtype: str) -> Service:
        """Launch the candidate's fresh checkout; raises CandidateFailed when it does not get healthy."""
        self.stop()
        log = self.scratch / f"candidate-{len(self.logs) + 1}.log"
        self.logs.append(log)
        self.service = start_system(self.run, self.tree, self.root, dtype=dtype, network=self.network, log_path=log)
        self.dtype = dtype
        return self.service

    def serving(self, dtype: str) -> Service:
        """The running candidate, restarted only when it runs in another dtype."""
        return self.service if self.service is not None and self.dtype == dtype else self.start(dtype)

    def stop(self) -> None:
        """Stop the candidate, if it runs."""
        if self.service is not None:
            service, self.service = self.service, None
            service.stop()


@contextlib.contextmanager
def open_stand(session: Session, tree: str) -> Iterator[Stand]:
    """A stand for a fresh checkout of `tree`; whatever happens, nothing of it is left."""
    with scratch_folder(session.run, "gate") as scratch:
        root = root_of(session.run, tree, scratch / "tree")
        with Network() as network, closed_on_cancel(session, network):
            stand = Stand(session, tree, root, scratch, network)
            try:
                yield stand
            finally:
                stand.stop()
