"""`--rounds` through the command line: a goal that is kept, reached, extended, and told."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from toy.fixtures import make_target
from toy.recorded import CLOSING, opened, write_recording
from vibeserve.core.run import open_run

TURNS = [
    turn
    for title in ("First", "Second")
    for turn in (opened(title, "It pays."), ("orchestrator", [("close_round", CLOSING)]))
]

pytestmark = pytest.mark.timeout(120)


def vibeserve(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-c", "from vibeserve.cli.app import main; main()", "run", *arguments, "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    summary: dict[str, Any] = json.loads(answer.stdout)
    return summary


def test_a_run_ends_at_its_goal_and_goes_on_when_asked(tmp_path: Path) -> None:
    target, root = make_target(tmp_path / "target"), tmp_path / "run"
    write_recording(target / "recorded" / "tiny", TURNS)
    first = vibeserve(str(target), "--run", str(root), "--rounds", "1")
    assert len(first["rounds"]) == 1
    assert first["notes"] == [
        f"Played 1 of the recording's 2 rounds. Go on with `vibeserve run --resume {root} --rounds 2`, or more."
    ]
    extended = vibeserve("--resume", str(root), "--rounds", "7")
    assert len(extended["rounds"]) == 2
    assert extended["notes"] == ["The recording holds 2 rounds, and all are played."]
    run = open_run(root)
    assert [record.body for record in run.ledger.records("run.extended")] == [{"rounds": 2}]
    assert run.created.body["settings"]["rounds"] == 1 and run.created.body["settings"]["environment"]["cores"]
    run.database.close()
