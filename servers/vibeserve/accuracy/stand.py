"""The test stand of one gate: the candidate in its sandbox, its judges in theirs, on one private loopback."""

import contextlib
import os
import shutil
import stat
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.core.target import fill
from vibeserve.lab.isolation import (
    Job,
    Limits,
    Mount,
    Network,
    Outcome,
    python_runtime,
    run,
    vibeserve_source,
)
from vibeserve.lab.serving import LaunchSpec, Service, launch
from vibeserve.lab.trees.workspace import repository_of

TARGET_AT = "/target"
MODEL_AT = "/model"
OUT_AT = "/out"
CANCEL_POLL_S = 0.1
MAX_SERVICE_S = 24 * 3600.0
MAX_OUTPUT_BYTES = 64 << 20


@dataclass
class Stand:
    """What the stages work with. The candidate sees its own tree and the model, and nothing of the target."""

    session: Session
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
        """Tell who waits; a cancelled session ends the gate here."""
        self.require_wanted()
        self.session.progress(message)

    def require_wanted(self) -> None:
        """Raise InfrastructureFailed when the session was cancelled."""
        if self.session.cancelled.is_set():
            raise InfrastructureFailed(
                "The gate was cancelled with its session; nothing of it counts.", "Call run_gate again."
            )

    def start(self, dtype: str) -> Service:
        """Launch the candidate's fresh checkout; raises CandidateFailed when it does not get healthy."""
        self.stop()
        log = self.scratch / f"candidate-{len(self.logs) + 1}.log"
        self.logs.append(log)
        self.service = launch(
            launch_spec(self.run),
            root=self.scratch / "tree",
            model=self.run.model,
            dtype=dtype,
            network=self.network,
            log_path=log,
        )
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

    def folder(self, name: str) -> Path:
        """A new empty folder for one judge's output."""
        folder = self.scratch / name
        folder.mkdir()
        return folder

    def judge(
        self,
        command: tuple[str, ...],
        values: Mapping[str, object],
        out: Path,
        wall_s: float,
        *,
        online: bool,
    ) -> Outcome:
        """Run a command of ours or of the target's: it sees target and model read-only, and `out` at /out."""
        target = Mount(self.run.layout.target, TARGET_AT)
        job = Job(
            command=fill(command, {"python": sys.executable, "target": TARGET_AT, "model": MODEL_AT, **values}),
            mounts=(
                target,
                Mount(self.run.model, MODEL_AT),
                Mount(out, OUT_AT, writable=True),
                vibeserve_source(),
                *python_runtime(),
            ),
            cwd=OUT_AT,
            limits=Limits(wall_s=wall_s),
        )
        outcome = run(job, network=self.network if online else None, cancel=self.session.cancelled)
        self.require_wanted()
        return outcome


def launch_spec(run: Run) -> LaunchSpec:
    """The target's launch contract as the sandbox takes it."""
    declared = run.target.launch
    limits = Limits(
        wall_s=MAX_SERVICE_S,
        memory_bytes=int(declared.memory_gib * 2**30),
        processes=declared.processes,
    )
    return LaunchSpec(
        command=declared.command,
        health_path=declared.health,
        boot_timeout_s=declared.boot_timeout_s,
        limits=limits,
    )


@contextlib.contextmanager
def open_stand(session: Session, tree: str) -> Iterator[Stand]:
    """A stand for a fresh checkout of `tree`; whatever happens, nothing of it is left."""
    scratch = session.run.scratch("gate")
    try:
        repository_of(session.run).checkout(tree, scratch / "tree")
        with Network() as network, _closed_on_cancel(session, network):
            stand = Stand(session, scratch, network)
            try:
                yield stand
            finally:
                stand.stop()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def _closed_on_cancel(session: Session, network: Network) -> Iterator[None]:
    """Close the network as soon as the session is cancelled, so that waiting for health ends."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(CANCEL_POLL_S):
            if session.cancelled.is_set():
                network.close()
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def read_output(path: Path) -> bytes | None:
    """What a judge wrote, or None when it is no regular file of acceptable size; links are not followed."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_OUTPUT_BYTES:
            return None
        return file.read()
