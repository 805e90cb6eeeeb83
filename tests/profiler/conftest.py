"""Gated candidates of the toy target, made with the real repository and the real ledger."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from toy.fixtures import *  # noqa: F403
from toy.fixtures import candidate_tree
from vibeserve.core.errors import InfrastructureFailed
from vibeserve.core.evidence import GATE_KINDS
from vibeserve.core.roles import Actor, Role, system_actor
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.lab import isolation
from vibeserve.lab.trees import Repository


@pytest.fixture(scope="session")
def sandboxes_work() -> None:
    """Skips where this machine has no sandbox, unless REQUIRE_BWRAP=1 makes that a failure."""
    try:
        assert isolation.run(isolation.Job(("true",))).ok
    except InfrastructureFailed as error:
        if os.environ.get("REQUIRE_BWRAP") == "1":
            raise
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def own_leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real measurement on this machine neither waits for these tests nor keeps them waiting."""
    (tmp_path / "leases").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "leases"))


@pytest.fixture
def evaluator() -> Iterator[Callable[[Run], Session]]:
    """Sessions of an Evaluator; closed at the end."""
    sessions: list[Session] = []

    def make(run: Run) -> Session:
        sessions.append(Session(run, Actor(Role.EVALUATOR, "S-test-evaluator", client="test")))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def submit(tmp_path: Path) -> Callable[..., str]:
    """Submits a candidate with a toy engine (its name, or its source) and records a gate for it."""
    folders = iter(range(100))

    def make(run: Run, engine: str, *, base: str = "reference", gate: str | None = "gate.passed") -> str:
        folder = tmp_path / f"candidate-{next(folders)}"
        if "\n" in engine:
            candidate_tree("honest", folder)
            (folder / "engine.py").write_text(engine)
        else:
            candidate_tree(engine, folder)
        tree = Repository(run.layout.checkpoints).snapshot(folder)
        with run.tx() as tx:
            number = run.ledger.count("candidate.submitted") + 1
            body = {
                "candidate": f"C{number}",
                "round": f"R{number}",
                "attempt": 1,
                "tree": tree,
                "base": base,
                "note": "",
            }
            tx.append(system_actor(), "candidate.submitted", tree, body)
            if gate:
                count = sum(run.ledger.count(kind) for kind in GATE_KINDS) + 1
                gated = {
                    "gate": f"G{count}",
                    "candidate": f"C{number}",
                    "round": f"R{number}",
                    "tree": tree,
                    "target_digest": run.target_digest,
                    "stages": [],
                }
                tx.append(system_actor(), gate, tree, gated)
        return f"C{number}"

    return make
