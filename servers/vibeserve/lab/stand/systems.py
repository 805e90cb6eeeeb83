"""Systems under test: a candidate's tree, or the target's reference or baseline, as a service of the launch contract.

A system is named by a git tree id, by "reference", or by "baseline:NAME" for a baseline that the target declares.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from vibeserve.core.errors import CandidateFailed, InfrastructureFailed, ServerKilled
from vibeserve.core.run import Run
from vibeserve.lab.isolation import Limits, Network
from vibeserve.lab.serving import LaunchSpec, Service, launch
from vibeserve.lab.trees.workspace import repository_of

REFERENCE = "reference"
_BASELINE = "baseline:"
SERVICE_WALL_S = 24 * 3600.0


def baseline_tree(name: str) -> str:
    """How the target's baseline of that name is named as a system."""
    return f"{_BASELINE}{name}"


def root_of(run: Run, tree: str, folder: Path) -> Path:
    """Where the system of `tree` lies: a fresh checkout in `folder`.

    A candidate sees its checkout and the model; only the reference and the baselines see the target.
    """
    if _targets_own(run, tree) is not None:
        return run.layout.target
    folder.mkdir()
    repository_of(run).checkout(tree, folder)
    return folder


def start_system(run: Run, tree: str, root: Path, *, dtype: str, network: Network, log_path: Path) -> Service:
    """Launch the system of `tree` from `root`; raises CandidateFailed when it does not get healthy."""
    return launch(launch_spec(run, tree), root=root, model=run.model, dtype=dtype, network=network, log_path=log_path)


def launch_spec(run: Run, tree: str) -> LaunchSpec:
    """The launch contract, the same for a candidate and for the target's own systems but for the command."""
    contract = run.launch
    return LaunchSpec(
        command=_targets_own(run, tree) or contract.command,
        health_path=contract.health,
        boot_timeout_s=contract.boot_timeout_s,
        limits=Limits(
            wall_s=SERVICE_WALL_S,
            memory_bytes=int(contract.memory_gib * 2**30),
            processes=contract.processes,
        ),
    )


def _targets_own(run: Run, tree: str) -> tuple[str, ...] | None:
    """The command of the reference or of a baseline; None for a candidate."""
    if tree == REFERENCE:
        return run.target.reference.command
    if tree.startswith(_BASELINE):
        return run.target.baseline(tree.removeprefix(_BASELINE)).command
    return None


@contextlib.contextmanager
def beyond_blame(who: str) -> Iterator[None]:
    """Turn the failure of a system that is not the one judged into InfrastructureFailed."""
    try:
        yield
    except (CandidateFailed, ServerKilled) as error:
        raise InfrastructureFailed(
            f"{who} failed, not the candidate: {error.message}",
            "Call again; when it repeats, the target or the machine is at fault.",
            evidence=error.evidence,
        ) from error
