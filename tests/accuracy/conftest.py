"""Gates on the toy target."""

import os
from collections.abc import Callable

import pytest

from toy.fixtures import *  # noqa: F403
from vibeserve.core.errors import InfrastructureFailed
from vibeserve.core.run import Run
from vibeserve.lab.isolation import Job, run


@pytest.fixture(scope="session")
def sandboxes_work() -> None:
    """Skips where this machine has no sandbox, unless REQUIRE_BWRAP=1 makes that a failure."""
    try:
        assert run(Job(("true",))).ok
    except InfrastructureFailed as error:
        if os.environ.get("REQUIRE_BWRAP") == "1":
            raise
        pytest.skip(str(error))


@pytest.fixture
def gate_run(sandboxes_work: None, toy_run: Callable[..., Run]) -> Callable[..., Run]:
    """`gate_run(*replacements)`: a run of the toy target on a machine where gates can run."""
    return toy_run
