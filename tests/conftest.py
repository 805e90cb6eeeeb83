"""A run of the smallest valid target, and sessions with it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vibeserve.core.roles import Actor, Role
from vibeserve.core.run import Run, create_run
from vibeserve.core.session import Session

SMALLEST_TARGET = """\
name = "smallest"
title = "The smallest target"
modality = "text"
interface = "openai"

[launch]
command = ["{python}", "serve.py", "--port", "{port}"]

[reference]
command = ["{python}", "{target}/serve.py", "--port", "{port}"]
score = ["{python}", "{target}/score.py", "--in", "{in}", "--out", "{out}"]

[checker]
command = ["{python}", "{target}/check.py", "--url", "{url}", "--out", "{out}"]

[numeric]
pool = "pool.jsonl"

[benchmark]
command = ["{python}", "{target}/load.py", "--url", "{url}", "--out", "{out}"]
metric = "tokens_per_s"
unit = "tokens/s"
direction = "higher"

[presets.tiny]
dtype = "float32"
build = ["{python}", "{target}/build.py", "--out", "{out}"]
"""


@pytest.fixture
def target_folder(tmp_path: Path) -> Path:
    """A target that validates; its commands are never started."""
    folder = tmp_path / "smallest"
    folder.mkdir()
    (folder / "target.toml").write_text(SMALLEST_TARGET)
    (folder / "OBJECTIVE.md").write_text("Serve it faster.\n")
    for script in ("serve", "score", "check", "load", "build"):
        (folder / f"{script}.py").write_text("")
    (folder / "pool.jsonl").write_text('{"prompt": "a"}\n')
    return folder


@pytest.fixture
def run(tmp_path: Path, target_folder: Path) -> Iterator[Run]:
    """A fresh run of the smallest target."""
    model = tmp_path / "model"
    model.mkdir()
    made = create_run(target_folder, "tiny", model, "0" * 64, tmp_path / "run")
    yield made
    made.database.close()


@pytest.fixture
def session(run: Run) -> Iterator[Callable[..., Session]]:
    """Makes sessions with the run: `session("judge")`, each turn of a role under a name of its own."""
    made: list[Session] = []

    def make(role: str, name: str = "") -> Session:
        actor = Actor(Role(role), name or f"S-test-{role}", client="test")
        made.append(Session(run, actor))
        return made[-1]

    yield make
    for one in made:
        one.close()
