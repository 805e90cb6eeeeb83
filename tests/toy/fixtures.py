"""Fixtures of the toy target: import them in a conftest.py with `from toy.fixtures import *`."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vibeserve.core.run import Run, create_run

HERE = Path(__file__).resolve().parent
MODEL = {"vocab_size": 1024, "seed": 20261120, "eos_token_id": None}

__all__ = ["candidate_tree", "make_target", "toy_model_folder", "toy_run", "toy_target_folder"]


def candidate_tree(engine: str, folder: Path) -> Path:
    """Write the candidate with that engine (a file of toy/engines) into `folder`."""
    shutil.copytree(
        HERE / "serving", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copyfile(HERE / "engines" / f"{engine}.py", folder / "engine.py")
    if "import honest" in (folder / "engine.py").read_text():
        shutil.copyfile(HERE / "engines" / "honest.py", folder / "honest.py")
    return folder


def make_target(folder: Path, *replacements: tuple[str, str]) -> Path:
    """Write the toy target into `folder`, with (old, new) replacements in its target.toml."""
    shutil.copytree(HERE / "target", folder, ignore=shutil.ignore_patterns("__pycache__"))
    candidate_tree("reference", folder / "reference")
    declared = (folder / "target.toml").read_text()
    for old, new in replacements:
        assert old in declared, f"target.toml has no {old!r}"
        declared = declared.replace(old, new)
    (folder / "target.toml").write_text(declared)
    return folder


@pytest.fixture
def toy_target_folder(tmp_path: Path) -> Path:
    """A fresh copy of the toy target."""
    return make_target(tmp_path / "toy")


@pytest.fixture
def toy_model_folder(tmp_path: Path) -> Path:
    """The toy model, without building it."""
    folder = tmp_path / "toy-model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(MODEL))
    return folder


@pytest.fixture
def toy_run(tmp_path: Path, toy_model_folder: Path) -> Iterator[Callable[..., Run]]:
    """Makes a run of the toy target: `toy_run(*replacements)`."""
    runs: list[Run] = []

    def make(*replacements: tuple[str, str]) -> Run:
        name = f"{len(runs)}"
        folder = make_target(tmp_path / f"toy-target-{name}", *replacements)
        runs.append(create_run(folder, "tiny", toy_model_folder, "0" * 64, tmp_path / f"toy-run-{name}"))
        return runs[-1]

    yield make
    for run in runs:
        run.database.close()
