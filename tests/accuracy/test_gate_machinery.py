"""What is not the candidate's fault, what a candidate cannot do, and what is left of a gate: nothing."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from toy.fixtures import as_role, submit
from vibeserve.accuracy.gate import examine, run_gate
from vibeserve.accuracy.server import box
from vibeserve.core.errors import InfrastructureFailed, Refused
from vibeserve.core.evidence import candidate_record
from vibeserve.core.processes import process_started
from vibeserve.core.run import Run

GateRun = Callable[..., Run]
CHECKER = (
    '"{target}/accuracy_checker/checker.py", "--url", "{url}", "--model", "{model}", '
    '"--seed", "{seed}", "--out", "{out}"'
)
WRITE = "import json, sys; open(sys.argv[1], 'w').write("
SAYS_NO = WRITE + "json.dumps({'result': {'passed': False}})); sys.exit(1)"


def checker_that(code: str) -> tuple[str, str]:
    """A replacement of the target's checker by a line of Python; argument 1 is the result's path."""
    escaped = code.replace("{", "{{").replace("}", "}}")
    return (CHECKER, f'"-c", "{escaped}", "{{out}}"')


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import time; time.sleep(600)", "did not end within"),
        ("raise SystemExit(7)", "exit status 7"),
        ("pass", "holds nothing"),
        (WRITE + "'}{')", "holds nothing"),
        (WRITE + "'[[[' * 99999)", "holds nothing"),
        ("import os, sys; os.symlink('/etc/passwd', sys.argv[1])", "holds nothing"),
        (WRITE + "json.dumps({'result': {'passed': 1}}))", "holds a int"),
        (
            WRITE + "json.dumps({'result': {'passed': True}})); sys.exit(5)",
            "exit status 5",
        ),
    ],
)
def test_a_broken_checker_is_not_the_candidates_fault(gate_run: GateRun, code: str, said: str) -> None:
    run = gate_run(checker_that(code), ("timeout_s = 20", "timeout_s = 1"))
    report = run_gate(as_role(run, "judge"), submit(run, "honest"))
    last = report.stages[-1]
    assert (report.outcome, last.name, last.status) == ("inconclusive", "checker", "inconclusive")
    assert said in last.feedback
    assert run.ledger.last("gate.failed") is None


def test_a_model_on_which_the_reference_does_not_start_either_is_not_the_candidates_fault(
    gate_run: GateRun, toy_model_folder: Path
) -> None:
    (toy_model_folder / "config.json").write_text("{}")
    run = gate_run()
    report = run_gate(as_role(run, "judge"), submit(run, "honest"))
    assert (report.outcome, report.stages[-1].name) == ("inconclusive", "boot")
    assert "reference" in report.stages[-1].feedback


def test_a_checker_that_ends_on_neither_is_not_the_candidates_fault(gate_run: GateRun) -> None:
    run = gate_run(checker_that("import time; time.sleep(600)"), ("timeout_s = 20", "timeout_s = 1"))
    judge = as_role(run, "judge")
    told: list[str] = []
    judge.progress = told.append
    assert run_gate(judge, submit(run, "hangs")).outcome == "inconclusive"
    assert any("against the reference as a control" in message for message in told)


def test_a_stage_that_breaks_is_inconclusive_and_on_record(gate_run: GateRun, toy_model_folder: Path) -> None:
    config = toy_model_folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"eos_token_id": "no id"}))
    run = gate_run()
    report = run_gate(as_role(run, "judge"), submit(run, "honest"))
    last = report.stages[-1]
    assert (report.outcome, last.name, last.status) == ("inconclusive", "numeric", "inconclusive")
    assert "itself broke (ValidationError)" in last.feedback
    assert "numeric.py" in run.artifacts.path(report.artifact).read_text()
    assert run.ledger.count("gate.inconclusive") == 1


def test_nothing_is_judged_with_a_changed_target_or_model(gate_run: GateRun) -> None:
    run = gate_run()
    checker = run.layout.target / "accuracy_checker" / "checker.py"
    whole = checker.read_text()
    checker.chmod(0o644)
    checker.write_text("raise SystemExit(0)\n")
    with pytest.raises(InfrastructureFailed, match="snapshot of its target was changed"):
        run_gate(as_role(run, "judge"), submit(run, "honest"))
    checker.write_text(whole)
    (run.model / "config.json").write_text((run.model / "config.json").read_text().replace("1024", "1000"))
    with pytest.raises(InfrastructureFailed, match="is not the one that the run was made with"):
        run_gate(as_role(run, "judge"), "C1")
    assert run.ledger.records(("gate.passed", "gate.failed", "gate.inconclusive")) == []
    assert list(run.layout.scratch.iterdir()) == []


def test_a_target_changed_during_a_gate_leaves_no_evidence(gate_run: GateRun) -> None:
    run = gate_run(checker_that(SAYS_NO))
    judge = as_role(run, "judge")
    planted = run.layout.target / "accuracy_checker" / "__pycache__"

    def plant(message: str) -> None:
        if message.startswith("checker"):
            planted.parent.chmod(0o755)
            planted.mkdir()
            (planted / "checker.cpython-311.pyc").write_bytes(b"code that a digest leaves out")

    judge.progress = plant
    with pytest.raises(InfrastructureFailed, match="snapshot of its target was changed"):
        run_gate(judge, submit(run, "honest"))
    assert run.ledger.last("gate.failed") is None


@pytest.mark.parametrize(("engine", "outcome", "last"), [("honest", "passed", "repeat"), ("exits", "failed", "boot")])
def test_examining_a_tree_tells_all_and_records_nothing(
    gate_run: GateRun, engine: str, outcome: str, last: str
) -> None:
    run = gate_run()
    submitted = candidate_record(run.ledger, submit(run, engine))
    assert submitted is not None
    before, kept = len(run.ledger.records()), set(run.layout.artifacts.rglob("*"))
    examined = examine(as_role(run, "human"), submitted.subject)
    assert (examined.outcome, examined.stages[-1].name) == (outcome, last)
    assert examined.coverage == ["boot", "checker", "numeric", "repeat", "served"] and not examined.not_applicable
    assert f"== stage {last}: {outcome}" in examined.evidence and examined.seconds > 0
    assert bool(examined.seeds) == (outcome == "passed")
    assert len(run.ledger.records()) == before and set(run.layout.artifacts.rglob("*")) == kept
    assert list(run.layout.scratch.iterdir()) == []


def test_a_checker_may_say_no_with_an_exit_status(gate_run: GateRun) -> None:
    run = gate_run(checker_that(SAYS_NO))
    assert run_gate(as_role(run, "judge"), submit(run, "honest")).outcome == "failed"


def test_an_inconclusive_gate_may_be_rerun_twice(gate_run: GateRun) -> None:
    run = gate_run(checker_that("raise SystemExit(7)"))
    candidate = submit(run, "honest")
    gates = [run_gate(as_role(run, "judge"), candidate).gate for _ in range(3)]
    assert gates == ["G1", "G2", "G3"]
    with pytest.raises(Refused, match="inconclusive 3 times"):
        run_gate(as_role(run, "judge"), candidate)
    assert run.ledger.count("gate.inconclusive") == 3


def test_a_broken_score_command_is_not_the_candidates_fault(gate_run: GateRun) -> None:
    run = gate_run(('"{target}/reference/score.py"', '"-c", "raise SystemExit(6)"'))
    report = run_gate(as_role(run, "judge"), submit(run, "honest"))
    last = report.stages[-1]
    assert (report.outcome, last.name) == ("inconclusive", "numeric")
    assert "exit status 6" in last.feedback


def test_a_daemon_left_behind_dies_with_the_gate(gate_run: GateRun) -> None:
    run = gate_run(checker_that(SAYS_NO))
    seen: dict[int, str] = {}
    judge = as_role(run, "judge")

    def look(_message: str) -> None:
        for pid in daemons():
            seen[pid] = process_started(pid)

    judge.progress = look
    assert run_gate(judge, submit(run, "forks_daemon")).stages[0].status == "passed"
    assert seen
    assert all(process_started(pid) != started for pid, started in seen.items())


def daemons() -> list[int]:
    """Pids of the processes that the candidate `forks_daemon` left behind, whoever runs it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"toy-daemon-left-behind" in (folder / "cmdline").read_bytes().split(b"\0")[0]:
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def test_a_candidate_can_write_nowhere_and_sees_no_target(gate_run: GateRun) -> None:
    run = gate_run(checker_that(SAYS_NO))
    report = run_gate(as_role(run, "judge"), submit(run, "writes_outside"))
    assert report.stages[0].status == "passed"
    evidence = run.artifacts.path(report.artifact).read_text()
    assert "written: []" in evidence
    assert "seen: []" in evidence
    assert [path.name for path in run.model.iterdir()] == ["config.json"]
    assert not Path("/usr/planted").exists()


def test_a_cancelled_gate_ends_soon_and_records_nothing(gate_run: GateRun) -> None:
    run = gate_run(("boot_timeout_s = 5", "boot_timeout_s = 3600"))
    judge = as_role(run, "judge")
    begun = threading.Event()
    judge.progress = lambda _message: begun.set()
    candidate = submit(run, "never_healthy")

    def cancel() -> None:
        begun.wait(60)
        judge.cancelled.set()

    threading.Thread(target=cancel).start()
    with pytest.raises(InfrastructureFailed, match="cancelled"):  # or this test never ends
        run_gate(judge, candidate)
    assert run.ledger.records(("gate.passed", "gate.failed", "gate.inconclusive")) == []
    assert list(run.layout.scratch.iterdir()) == []


def test_two_gates_of_one_tree_cannot_both_decide(gate_run: GateRun) -> None:
    run = gate_run()
    candidate = submit(run, "wrong_token")
    judge, other = as_role(run, "judge"), as_role(run, "human")
    done: list[str] = []

    def the_other_is_faster(message: str) -> None:
        if message.startswith("checker") and not done:
            done.append(run_gate(other, candidate).outcome)

    judge.progress = the_other_is_faster
    with pytest.raises(Refused, match="final"):
        run_gate(judge, candidate)
    assert done == ["failed"]
    assert run.ledger.count("gate.failed") == 1


def test_the_tool_waits_and_tells(gate_run: GateRun) -> None:
    run = gate_run()
    judge = as_role(run, "judge")
    tool = next(tool for tool in box.tools if tool.name == "run_gate")
    answer = tool.call(judge, {"candidate": submit(run, "exits"), "wait_s": 0})
    assert answer["status"] == "running"
    answer = tool.call(judge, {"candidate": "C1", "job": answer["job"], "wait_s": 60})
    assert answer["outcome"] == "failed"
    judge.close()
    with pytest.raises(Refused, match="not for the role implementer"):
        tool.call(as_role(run, "implementer"), {"candidate": "C1"})
