"""The model of a preset on this machine: given, built, or fetched before."""

from pathlib import Path

from vibeserve.core.errors import NotFound
from vibeserve.core.target import Target
from vibeserve.lab.models.build import build_model
from vibeserve.lab.models.digest import Progress, folder_digest, model_files, silent
from vibeserve.lab.models.fetch import fetched_model
from vibeserve.lab.models.prepared import PreparedModel, default_cache


def prepare_model(
    folder: Path,
    target: Target,
    preset: str,
    model_dir: Path | None = None,
    *,
    cache: Path | None = None,
    progress: Progress = silent,
) -> PreparedModel:
    """The model of a preset of the target in `folder`, ready to be mounted.

    A folder given as `model_dir` is used as it is. Otherwise a preset with a build command is built once into
    the cache, and a preset with a model id must have been fetched. Raises NotFound when it was not.
    """
    cache = (cache or default_cache()).resolve()
    chosen = target.preset(preset)
    if model_dir is not None:
        path = _given(model_dir)
    elif chosen.build is not None:
        path = build_model(folder.resolve(), chosen.build, cache, progress)
    else:
        path = fetched_model(target, preset, cache)
    return PreparedModel(path, folder_digest(path, cache, progress))


def _given(model_dir: Path) -> Path:
    if not model_dir.is_dir() or not model_files(model_dir):
        raise NotFound(
            f"{model_dir} is not a folder with a model in it.",
            "Give the folder of a complete local snapshot.",
        )
    return model_dir.resolve()
