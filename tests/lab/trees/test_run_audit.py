"""The audit of a run with its repository: a promoted tree that is gone is noticed."""

from collections.abc import Callable

import pytest

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.core.folders import remove_folder
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.lab.trees import repository_of
from vibeserve.lab.trees.audit import audit_run, require_clean


@pytest.fixture
def promoted(run: Run, session: Callable[..., Session]) -> Run:
    """A run with one promoted tree and the evidence for it."""
    (run.layout.workspace / "serve.py").write_text("print('serving')")
    tree = repository_of(run).snapshot(run.layout.workspace)
    evidence = {"tree": tree, "target_digest": run.target_digest}
    with run.tx() as tx:
        for kind, body in (
            ("gate.passed", {"gate": "G1", "stages": []}),
            ("verdict.given", {"verdict_id": "V1", "verdict": "pass"}),
            ("measurement.recorded", {"measurement": "M1"}),
            ("checkpoint.promoted", {"checkpoint": tree}),
        ):
            session("human").append(tx, kind, tree, evidence | body)
    return run


def test_a_promoted_tree_that_is_there_is_fine(promoted: Run) -> None:
    require_clean(promoted)


def test_a_promoted_tree_that_is_gone_is_noticed(promoted: Run) -> None:
    remove_folder(promoted.layout.checkpoints)
    found = audit_run(promoted)
    assert not found.ok
    assert "checkpoints.git" in found.problem
    with pytest.raises(InfrastructureFailed, match="broken at record"):
        require_clean(promoted)
