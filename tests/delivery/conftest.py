"""What tests of delivery share."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from exported_run import SeededPlayer, exported, promoted_run

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


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeededPlayer]:
    made = promoted_run(tmp_path_factory.mktemp("played"))
    yield made
    made.run.database.close()


@pytest.fixture(scope="module")
def original(player: SeededPlayer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(player, tmp_path_factory.mktemp("exports") / "out").folder


@pytest.fixture
def received(original: Path, tmp_path: Path) -> Path:
    """A copy elsewhere; the run stays behind."""
    return Path(shutil.copytree(original, tmp_path / "received", symlinks=True))
