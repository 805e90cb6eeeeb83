"""What is to be run again: the checkpoint of an export or of a run, with its target, its figures and its model."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vibeserve.core.errors import InfrastructureFailed, Refused
from vibeserve.core.run import Run
from vibeserve.core.session import Progress
from vibeserve.core.target import Preset, fill, read_target
from vibeserve.delivery.export.figures import Claim, Figures, figures_of
from vibeserve.delivery.export.manifest import FIGURES, SERVER, TARGET, Manifest, read_text
from vibeserve.lab.isolation import Job, Limits, Mount, python_runtime
from vibeserve.lab.isolation import run as run_sandboxed
from vibeserve.lab.models import PreparedModel, prepare_model
from vibeserve.lab.stand.judges import OUT_AT, TARGET_AT, describe_end, said
from vibeserve.lab.stand.scratch import scratch_folder
from vibeserve.lab.trees.workspace import repository_of

BUILD_WALL_S = 900.0


@dataclass(frozen=True, slots=True)
class Claimed:
    """A tree whose files lie in `server`, judged by the target in `target`. `model`: where its model lay, if known."""

    run: str
    tree: str
    server: Path
    target: Path
    preset: str
    target_digest: str
    model_digest: str
    claims: tuple[Claim, ...]
    model: Path | None


def claimed_by_export(folder: Path, manifest: Manifest) -> Claimed:
    """What an export claims. Its checks must have been good."""
    figures = Figures.model_validate(json.loads(read_text(folder / FIGURES)))
    return Claimed(
        run=manifest.run,
        tree=manifest.tree,
        server=folder / SERVER,
        target=folder / TARGET,
        preset=manifest.preset,
        target_digest=manifest.target_digest,
        model_digest=manifest.model_digest,
        claims=tuple(figures.claims),
        model=None,
    )


@contextmanager
def claimed_by_run(run: Run, tree: str) -> Iterator[Claimed]:
    """What a run claims of a promoted tree; its checkout is gone after the context."""
    promoted = run.ledger.last("checkpoint.promoted", tree)
    if promoted is None:
        raise Refused(f"{tree[:12]} was never promoted, so nothing is claimed of it.", "close_round promotes.")
    with scratch_folder(run, "verify") as folder:
        repository_of(run).checkout(tree, folder / SERVER)
        yield Claimed(
            run=run.id,
            tree=tree,
            server=folder / SERVER,
            target=run.layout.target,
            preset=run.preset_name,
            target_digest=run.target_digest,
            model_digest=str(run.created.body["model_digest"]),
            claims=tuple(figures_of(run.ledger, promoted, run.target).claims),
            model=run.model,
        )


def model_of(claimed: Claimed, given: Path | None, folder: Path, progress: Progress) -> PreparedModel:
    """The model to judge with: given, known, fetched before, or built into `folder`, which is made.

    A build runs in a sandbox: the command came with the export, and that may be anybody's.
    """
    target = read_target(claimed.target)
    preset = target.preset(claimed.preset)
    path = given or claimed.model
    if path is None and preset.build is not None:
        progress("building the model")
        path = _built(claimed.target, preset, folder)
    return prepare_model(claimed.target, target, claimed.preset, path, progress=progress)


def _built(target: Path, preset: Preset, folder: Path) -> Path:
    folder.mkdir(parents=True)
    values = {"python": sys.executable, "target": TARGET_AT, "out": f"{OUT_AT}/model"}
    memory_bytes = max(Limits().memory_bytes, int((preset.memory_gib or 0) * 2**30))
    job = Job(
        command=fill(preset.build or (), values),
        mounts=(*python_runtime(), Mount(target, TARGET_AT), Mount(folder, OUT_AT, writable=True)),
        cwd=OUT_AT,
        limits=Limits(wall_s=BUILD_WALL_S, memory_bytes=memory_bytes),
    )
    outcome = run_sandboxed(job)
    if not outcome.ok:
        raise InfrastructureFailed(
            f"The model could not be built by the target's command: {describe_end(outcome)}.",
            "Give the folder of the model with --model.",
            evidence=said(outcome),
        )
    _require_inside(folder / "model")
    return folder / "model"


def _require_inside(model: Path) -> None:
    """The digest follows links, and a stranger's command may leave one to anything on this machine."""
    own = model.parent.resolve() / model.name
    if any(path.is_symlink() and not path.resolve().is_relative_to(own) for path in (model, *model.rglob("*"))):
        raise InfrastructureFailed(
            "The target's build command left a link that leads out of the model's folder.",
            "Do not trust this export; give the folder of a model that you know with --model.",
        )
