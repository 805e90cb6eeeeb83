"""Sessions in a run of the toy target whose workspace holds a candidate."""

import os
from collections.abc import Callable, Iterator

import pytest

from toy.fixtures import *  # noqa: F403
from toy.fixtures import as_role, candidate_tree
from vibeserve.core.errors import InfrastructureFailed
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.lab.isolation import Job
from vibeserve.lab.isolation import run as run_job


@pytest.fixture(scope="session")
def sandboxes_work() -> None:
    """Skips where this machine has no sandbox, unless REQUIRE_BWRAP=1 makes that a failure."""
    try:
        assert run_job(Job(("true",))).ok
    except InfrastructureFailed as error:
        if os.environ.get("REQUIRE_BWRAP") == "1":
            raise
        pytest.skip(str(error))


@pytest.fixture
def work_run(sandboxes_work: None, toy_run: Callable[..., Run]) -> Run:
    """A run whose workspace holds the honest candidate."""
    run = toy_run(("boot_timeout_s = 5", "boot_timeout_s = 2"))
    candidate_tree("honest", run.layout.workspace)
    return run


@pytest.fixture
def open_session(work_run: Run) -> Iterator[Callable[[str], Session]]:
    """`open_session(role)`: a session that is closed at the end."""
    opened: list[Session] = []

    def make(role: str) -> Session:
        opened.append(as_role(work_run, role))
        return opened[-1]

    yield make
    for session in opened:
        session.close()
