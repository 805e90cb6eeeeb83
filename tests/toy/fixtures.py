"""Fixtures of the toy target: import them in a conftest.py with `from toy.fixtures import *`."""

import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vibeserve.core.evidence import open_round_record
from vibeserve.core.roles import Actor, Role
from vibeserve.core.run import Run, create_run
from vibeserve.core.session import Session
from vibeserve.lab.models import default_cache, folder_digest
from vibeserve.lab.trees.workspace import repository_of

HERE = Path(__file__).resolve().parent
MODEL = {"vocab_size": 1024, "seed": 20261120, "eos_token_id": None}
ROUND = {
    "round": "R1",
    "issue": "I1",
    "base": "reference",
    "hypothesis": "Serving requests side by side is faster.",
    "criteria": [],
    "attempts": 9,
    "workspace_snapshot": None,
}

__all__ = [
    "as_role",
    "candidate_tree",
    "make_target",
    "submit",
    "toy_model_folder",
    "toy_run",
    "toy_target_folder",
]


def candidate_tree(engine: str, folder: Path) -> Path:
    """Write the candidate with that engine (a file of toy/engines) into `folder`."""
    shutil.copytree(HERE / "serving", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
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


def as_role(run: Run, role: str) -> Session:
    """A session of that role."""
    return Session(run, Actor(Role(role), f"S-{role}", client="test"))


def submit(run: Run, engine: str) -> str:
    """Submit the candidate with that engine, as submit_candidate would, in a round on the reference."""
    folder = candidate_tree(engine, run.layout.root / f"draft-{secrets.token_hex(4)}")
    tree = repository_of(run).snapshot(folder)
    shutil.rmtree(folder)
    session = as_role(run, "implementer")
    with run.tx() as tx:
        opened = open_round_record(run.ledger) or session.append(tx, "round.opened", "R1", ROUND)
        attempt = run.ledger.count("candidate.submitted") + 1
        body = {
            "candidate": f"C{attempt}",
            "round": opened.body["round"],
            "attempt": attempt,
            "tree": tree,
            "base": opened.body["base"],
            "note": engine,
        }
        session.append(tx, "candidate.submitted", tree, body)
    return f"C{attempt}"


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
def toy_run(tmp_path: Path, toy_model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Run]]:
    """Makes a run of the toy target: `toy_run(*replacements)`. What is remembered of models stays in the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    runs: list[Run] = []

    def make(*replacements: tuple[str, str]) -> Run:
        name = f"{len(runs)}"
        folder = make_target(tmp_path / f"toy-target-{name}", *replacements)
        digest = folder_digest(toy_model_folder, default_cache())
        runs.append(create_run(folder, "tiny", toy_model_folder, digest, tmp_path / f"toy-run-{name}"))
        return runs[-1]

    yield make
    for run in runs:
        run.database.close()
