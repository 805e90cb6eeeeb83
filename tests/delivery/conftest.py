"""What tests of delivery share."""

import os
from pathlib import Path

import pytest

from vibeserve.core.errors import InfrastructureFailed
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


@pytest.fixture(autouse=True)
def own_leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real measurement on this machine neither waits for these tests nor keeps them waiting."""
    (tmp_path / "leases").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "leases"))
