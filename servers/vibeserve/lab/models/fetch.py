"""A model fetched by id at its pinned revision: explicit, resumable, and used only when whole."""

from pathlib import Path

from vibeserve.core.errors import BadRequest, InfrastructureFailed, NotFound
from vibeserve.core.locks import exclusive
from vibeserve.core.target import Preset, Target
from vibeserve.lab.models.digest import Progress, folder_digest, silent
from vibeserve.lab.models.prepared import PreparedModel, default_cache

# Weights that are published beside the safetensors of the same model, in formats nothing here reads.
NOT_FETCHED = ("original/*", "*.pth", "*.gguf", "*.onnx", "*.h5", "*.msgpack")
EVIDENCE_CHARACTERS = 2000


def fetch_model(
    target: Target, preset: str, *, cache: Path | None = None, progress: Progress = silent
) -> PreparedModel:
    """Download the snapshot of a preset with a model id, at its pinned revision. Calling again resumes."""
    cache = (cache or default_cache()).resolve()
    chosen = target.preset(preset)
    if chosen.model_id is None or chosen.revision is None:
        raise BadRequest(
            f"Preset {preset} of {target.name} is built locally; there is nothing to fetch.",
            f"Make the run with `vibeserve new TARGET --preset {preset}`; the model is built then.",
        )
    path = _snapshot_folder(chosen, cache)
    path.mkdir(parents=True, exist_ok=True)
    with exclusive(path.with_name(f"{path.name}.lock")):
        progress(f"fetching {chosen.model_id} at {chosen.revision[:12]}")
        _download(chosen.model_id, chosen.revision, path)
        digest = folder_digest(path, cache, progress)
        _complete_mark(path).write_text(f"{digest}\n")
    return PreparedModel(path, digest)


def fetched_model(target: Target, preset: str, cache: Path) -> Path:
    """The folder of a snapshot that was fetched completely, or NotFound."""
    path = _snapshot_folder(target.preset(preset), cache)
    if not _complete_mark(path).is_file():
        raise NotFound(
            f"The model of preset {preset} of {target.name} is not on this machine.",
            f"Run `vibeserve model fetch TARGET --preset {preset}`, or give its folder with `--model DIR`.",
        )
    return path


def _snapshot_folder(preset: Preset, cache: Path) -> Path:
    assert preset.model_id is not None
    assert preset.revision is not None
    return cache / preset.model_id.replace("/", "--") / preset.revision


def _complete_mark(path: Path) -> Path:
    """Beside the snapshot: written when every file has arrived."""
    return path.with_name(f"{path.name}.complete")


def _download(model_id: str, revision: str, path: Path) -> None:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise InfrastructureFailed(
            "Fetching a model needs the package huggingface_hub, which is not installed.",
            "Install it (`pip install vibeserve[torch]`), or give the model's folder with `--model DIR`.",
        ) from error
    try:
        snapshot_download(model_id, revision=revision, local_dir=path, ignore_patterns=list(NOT_FETCHED))
    except Exception as error:  # the hub's client raises errors of several libraries
        raise InfrastructureFailed(
            f"{model_id} at {revision[:12]} could not be fetched: {_reason(error)}.",
            "Check the network and, for a gated model, HF_TOKEN, then call again: it resumes.",
            evidence=f"{type(error).__name__}: {error}"[:EVIDENCE_CHARACTERS],
        ) from error


def _reason(error: Exception) -> str:
    """The first line of an error, without addresses."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    words = [word for word in lines[0].split() if "://" not in word]
    return " ".join(words)[:200].rstrip(".:") or type(error).__name__
