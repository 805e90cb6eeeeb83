"""kill -9 from outside during a gate: forgiven twice, never held against a tree that is right."""

from collections.abc import Callable

import pytest

from toy.fixtures import as_role, submit
from toy.kills import CANDIDATE, CHECKER, killing
from vibeserve.accuracy.gate import run_gate
from vibeserve.core.errors import Refused
from vibeserve.core.run import Run

GateRun = Callable[..., Run]
OTHERS = "gate.failed", "infrastructure.failed"


@pytest.mark.parametrize(("at", "delay_s"), [("checker", 0.0), ("numeric: 12", 0.0), ("numeric: 12", 0.6)])
def test_a_candidate_killed_from_outside_is_gated_again_and_passes(gate_run: GateRun, at: str, delay_s: float) -> None:
    run = gate_run()
    judge, candidate = as_role(run, "judge"), submit(run, "honest")
    judge.progress = killing(CANDIDATE, at, delay_s)
    report = run_gate(judge, candidate)
    last = report.stages[-1]
    assert (report.outcome, last.name, last.status) == ("inconclusive", at.partition(":")[0], "inconclusive")
    assert "killed (SIGKILL)" in last.feedback and "nobody" in last.feedback
    record = run.ledger.last("gate.inconclusive")
    assert record is not None and record.body["killed"] is True and "killed" not in record.body["stages"][-1]
    if at == "checker":
        assert run_gate(judge, candidate).outcome == "passed"
        assert run.ledger.records(OTHERS) == []


def test_a_candidate_killed_while_it_starts_has_not_failed_to_start(gate_run: GateRun) -> None:
    run = gate_run()
    judge, candidate = as_role(run, "judge"), submit(run, "never_healthy")
    judge.progress = killing(CANDIDATE, "boot", 0.3)
    report = run_gate(judge, candidate)
    assert (report.outcome, report.stages[-1].name) == ("inconclusive", "boot")
    assert "before it was healthy: it was killed" in report.stages[-1].feedback


def test_a_tree_killed_three_times_has_failed(gate_run: GateRun) -> None:
    run = gate_run()
    judge, candidate = as_role(run, "judge"), submit(run, "honest")
    judge.progress = killing(CANDIDATE, "checker", times=3)
    assert [run_gate(judge, candidate).outcome for _ in range(3)] == ["inconclusive", "inconclusive", "failed"]
    failed = run.ledger.last("gate.failed")
    assert failed is not None
    assert "end number 3 of this kind on this tree" in failed.body["stages"][-1]["feedback"]
    with pytest.raises(Refused, match="final"):
        run_gate(judge, candidate)


def test_a_candidate_that_kills_itself_on_every_request_never_passes(gate_run: GateRun) -> None:
    run = gate_run()
    judge, candidate = as_role(run, "judge"), submit(run, "kills_itself")
    assert [run_gate(judge, candidate).outcome for _ in range(3)] == ["inconclusive", "inconclusive", "failed"]


def test_a_candidate_that_is_wrong_fails_after_a_kill_too(gate_run: GateRun) -> None:
    run = gate_run()
    judge, candidate = as_role(run, "judge"), submit(run, "wrong_token")
    judge.progress = killing(CANDIDATE, "checker")
    assert [run_gate(judge, candidate).outcome for _ in range(2)] == ["inconclusive", "failed"]


def test_a_killed_judge_is_infrastructure_and_no_kill_of_the_tree(gate_run: GateRun) -> None:
    run = gate_run()
    judge, candidate = as_role(run, "judge"), submit(run, "honest")
    judge.progress = killing(CHECKER, "checker", 0.05)
    report = run_gate(judge, candidate)
    assert report.outcome == "inconclusive" and "exit status 137" in report.stages[-1].feedback
    record = run.ledger.last("gate.inconclusive")
    assert record is not None and "killed" not in record.body
