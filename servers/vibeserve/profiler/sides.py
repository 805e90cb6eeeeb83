"""The two systems of a measurement, each a service in its own sandbox and on its own network."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vibeserve.core.errors import CandidateFailed, InfrastructureFailed
from vibeserve.core.run import Run
from vibeserve.lab.isolation import Limits, Mount, Network, python_runtime, vibeserve_source
from vibeserve.lab.serving import LaunchSpec, Service, launch
from vibeserve.lab.trees import Repository

REFERENCE = "reference"
TARGET_AT, MODEL_AT, OUT_AT = "/target", "/model", "/out"
SERVICE_WALL_S = 24 * 3600


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

    def require_alive(self) -> None:
        """Raise CandidateFailed when the candidate died, InfrastructureFailed when the other side did."""
        try:
            self.service.require_alive()
        except CandidateFailed as error:
            if self.is_candidate:
                raise
            raise InfrastructureFailed(
                "The side that the candidate is measured against died.",
                "Measure again; report this if it repeats.",
                evidence=f"{error.message}\n{error.evidence}",
            ) from error


def start_side(run: Run, stack: contextlib.ExitStack, tree: str, scratch: Path, *, is_candidate: bool) -> Side:
    """Start the system of `tree` from a fresh checkout and freeze it; `stack` stops it.

    A candidate sees its checkout and the model; only the reference sees the target.
    """
    name = "candidate" if is_candidate else "other"
    root = run.layout.target if tree == REFERENCE else scratch / name
    if tree != REFERENCE:
        root.mkdir()
        Repository(run.layout.checkpoints).checkout(tree, root)
    network = stack.enter_context(Network())
    try:
        service = launch(
            _spec(run, tree),
            root=root,
            model=run.model,
            dtype=run.preset.dtype,
            network=network,
            log_path=scratch / f"{name}.log",
        )
    except CandidateFailed as error:
        if is_candidate:
            raise
        raise InfrastructureFailed(
            "The side that the candidate is measured against did not start.",
            "Call measure again; when the reference never starts, the target or the machine is at fault.",
            evidence=f"{error.message}\n{error.evidence}",
        ) from error
    stack.callback(service.stop)
    service.freeze()
    return Side(tree, is_candidate, service, network)


def client_mounts(run: Run, out: Path) -> tuple[Mount, ...]:
    """What the target's own commands see: interpreter, this package, target and model; `out` to write."""
    return (
        *python_runtime(),
        vibeserve_source(),
        Mount(run.layout.target, TARGET_AT),
        Mount(run.model, MODEL_AT),
        Mount(out, OUT_AT, writable=True),
    )


def client_values(run: Run) -> dict[str, object]:
    """The placeholders that all of the target's own commands share."""
    return {
        "python": sys.executable,
        "target": TARGET_AT,
        "model": MODEL_AT,
        "preset": run.preset_name,
        "dtype": run.preset.dtype,
    }


def _spec(run: Run, tree: str) -> LaunchSpec:
    contract = run.target.launch
    command = run.target.reference.command if tree == REFERENCE else contract.command
    return LaunchSpec(
        command=command,
        health_path=contract.health,
        boot_timeout_s=contract.boot_timeout_s,
        limits=Limits(
            wall_s=SERVICE_WALL_S,
            memory_bytes=int(contract.memory_gib * 2**30),
            processes=contract.processes,
        ),
    )
