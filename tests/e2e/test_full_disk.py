"""The run's disk fills up in the middle of a run: told in a sentence, nothing lost, resumed once there is room."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from toy.fixtures import make_target
from toy.recorded import SHORT, write_recording
from toy.waiting import await_job, await_turn
from vibeserve.core.run import open_run
from vibeserve.lab.trees.audit import audit_run

DISK_BYTES = 16 << 20
TIMEOUT_S = 120
QUICK = ('reuse = "none"', 'reuse = "prefix"'), ("prompts = 12", "prompts = 4")
PLAYED = [
    *("run.created", "turn.started", "issue.filed", "round.opened", "turn.ended"),
    *("turn.started", "candidate.submitted", "turn.ended"),
    *("turn.started", "gate.passed", "verdict.given", "turn.ended"),
    *("turn.started", "round.closed", "turn.ended"),
]

pytestmark = pytest.mark.timeout(300)


class Disk:
    """A small disk of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        with (self.folder / "ballast").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                return

    def free(self) -> None:
        (self.folder / "ballast").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a disk to be filled cannot be mounted here")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def vibeserve(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from vibeserve.cli.app import main; main()", *arguments, "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_disk_that_fills_up_in_submit_and_gate_costs_nothing_but_time(disk: Disk, tmp_path: Path) -> None:
    target, root = make_target(tmp_path / "target", *QUICK), disk.folder / "run"
    write_recording(target / "recorded" / "tiny", SHORT)
    driver = vibeserve("run", str(target), "--run", str(root))
    for turn, job in (("T2", None), ("T3", "run_gate")):
        await_job(root, job) if job else await_turn(root, turn)
        disk.fill()
        error = json.loads(driver.communicate(timeout=TIMEOUT_S)[0])
        assert driver.returncode == 1
        assert error["error"] == "DiskFull" and f"The disk that holds {root}" in error["message"]
        assert "--resume" in error["next_step"]
        status = vibeserve("status", str(root))
        assert status.communicate(timeout=TIMEOUT_S)[0] and status.returncode == 0
        disk.free()
        assert audit_run(open_run(root)).ok
        driver = vibeserve("run", "--resume", str(root))
    driver.communicate(timeout=TIMEOUT_S)
    assert driver.returncode == 0
    run = open_run(root)
    kinds = [record.kind for record in run.ledger.records()]
    assert [kind for kind in kinds if kind != "infrastructure.failed"] == PLAYED
    assert not list(run.layout.scratch.iterdir())
    run.database.close()
