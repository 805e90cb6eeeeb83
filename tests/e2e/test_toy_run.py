"""A whole run of the toy target through the command line, killed and resumed on the way."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from toy.fixtures import make_target
from toy.kills import CANDIDATE, kill_one
from toy.recorded import TURNS, write_recording
from toy.waiting import await_job
from vibeserve.core.audit import audit
from vibeserve.core.rounds import best_attempt, rounds
from vibeserve.core.run import Run, open_run

TIMEOUT_S = 170
MAIN = "from vibeserve.cli.app import main; main()"

pytestmark = pytest.mark.timeout(400)


def vibeserve(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", MAIN, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose driver and server were killed with SIGKILL in the first gate, then resumed to its end.

    On the way the candidate is killed while it is measured; that needs no resume.
    """
    folder = tmp_path_factory.mktemp("e2e")
    target, root = make_target(folder / "target"), folder / "run"
    write_recording(target / "recorded" / "tiny")
    command = [sys.executable, "-c", MAIN, "run", str(target), "--run", str(root), "--json"]
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        await_job(root, "run_gate")
    finally:
        killed = [psutil.Process(driver.pid), *psutil.Process(driver.pid).children()]
        for process in killed:
            process.kill()
        driver.wait()
    resumed = subprocess.Popen([sys.executable, "-c", MAIN, "run", "--resume", str(root), "--json"], stdout=-1)
    await_job(root, "measure")
    kill_one(CANDIDATE)
    summary = json.loads(resumed.communicate(timeout=TIMEOUT_S)[0])
    assert resumed.returncode == 0, summary
    assert summary["audit_ok"] and summary["notes"] == ["The recording holds 2 rounds, and all are played."]
    return open_run(root)


def test_no_turn_is_repeated(finished: Run) -> None:
    for kind in ("turn.started", "turn.ended"):
        assert [record.subject for record in finished.ledger.records(kind)] == [
            f"T{number}" for number in range(1, len(TURNS) + 1)
        ]


def test_the_killed_gate_and_measurement_count_against_nobody(finished: Run) -> None:
    lost = finished.ledger.records("infrastructure.failed")
    assert [(record.body["tool"], record.body.get("killed", False)) for record in lost] == [
        ("run_gate", False),
        ("measure", True),
    ]
    assert len(finished.ledger.records(("gate.passed", "gate.failed", "gate.inconclusive"))) == 3


def test_the_bug_and_the_cache_are_caught_and_the_honest_one_is_promoted(finished: Run) -> None:
    first, second = rounds(finished.ledger, finished.target_digest)
    assert [attempt.gate_status for attempt in first.attempts] == ["failed", "passed"]
    assert first.attempts[0].failed_stage["name"] == "numeric"
    assert first.decision == "promote"
    assert [attempt.gate_status for attempt in second.attempts] == ["failed"]
    assert second.attempts[0].failed_stage["name"] == "repeat"
    assert second.decision == "discard"
    best = best_attempt([first, second])
    assert best.tree == first.attempts[1].tree


def test_figures_in_texts_are_those_measured_here(finished: Run) -> None:
    measured = finished.ledger.last("measurement.recorded").body["ratio"]
    assert f"{measured:.3g}" in finished.ledger.last("evaluation.given").body["summary"]
    assert f"{measured:.3g}" in finished.layout.memory.read_text()


def test_nothing_is_left_running_or_lying_about(finished: Run) -> None:
    assert list(finished.layout.scratch.iterdir()) == []
    processes = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(str(finished.layout.root).encode() in line for line in processes)


def test_every_record_is_under_audit(finished: Run) -> None:
    outcome = audit(finished)
    assert outcome.ok, outcome.problem
    assert outcome.promotions == 1


def test_a_finished_run_resumes_to_nothing(finished: Run) -> None:
    before = finished.ledger.records()
    assert vibeserve("run", "--resume", str(finished.layout.root), "--json").returncode == 0
    assert finished.ledger.records() == before


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        (("status",), "rounds"),
        (("audit",), "ok"),
        (("checkpoints", "list", "--run"), "rows"),
        (("accuracy", "show", "--gate", "G1", "--run"), "stages"),
    ],
)
def test_commands_answer_in_json(finished: Run, command: tuple[str, ...], wanted: str) -> None:
    answer = vibeserve(*command, str(finished.layout.root), "--json")
    assert answer.returncode == 0, answer.stderr
    assert wanted in json.loads(answer.stdout)


def test_people_get_lines(finished: Run) -> None:
    root = str(finished.layout.root)
    assert "numeric" in vibeserve("status", root).stdout
    assert "gate.failed" in vibeserve("log", root).stdout
    assert "repeat" in vibeserve("show", "G3", "--run", root).stdout
    assert "clean" in vibeserve("audit", root).stdout


def test_show_of_nothing_teaches(finished: Run) -> None:
    answer: Any = vibeserve("show", "G99", "--run", str(finished.layout.root), "--json")
    assert answer.returncode == 1
    assert json.loads(answer.stdout)["next_step"]
