"""The Judge's verdict: a pass needs a passing gate on that tree under this target."""

from collections.abc import Callable
from typing import Any

import pytest

from toy.fixtures import as_role, submit
from vibeserve.accuracy.server import box
from vibeserve.accuracy.verdicts import give
from vibeserve.core.errors import BadRequest, NotFound, Refused
from vibeserve.core.evidence import candidate_record, evidence_on
from vibeserve.core.run import Run

ToyRun = Callable[..., Run]


def gated(run: Run, candidate: str, outcome: str, digest: str | None = None) -> None:
    """Record a gate on a candidate as run_gate would."""
    submitted = candidate_record(run.ledger, candidate)
    assert submitted is not None
    body: dict[str, Any] = {
        "gate": "G1",
        "candidate": candidate,
        "round": "R1",
        "tree": submitted.subject,
        "target_digest": digest or run.target_digest,
        "stages": [],
        "artifact": "",
    }
    with run.tx() as tx:
        as_role(run, "judge").append(tx, f"gate.{outcome}", submitted.subject, body)


def test_a_pass_after_a_passing_gate_is_evidence(toy_run: ToyRun) -> None:
    run = toy_run()
    candidate = submit(run, "honest")
    gated(run, candidate, "passed")
    given = give(as_role(run, "judge"), candidate, "pass", " Right. ", ["one", "two"])
    record = run.ledger.last("verdict.given")
    assert record is not None
    assert (given.verdict_id, given.verdict) == ("V1", "pass")
    assert record.subject == given.tree
    assert record.body["findings"] == ["one", "two"]
    assert record.body["feedback"] == "Right."
    assert evidence_on(run.ledger, given.tree, run.target_digest).verdict_passed


def test_a_pass_without_a_gate_is_refused_and_names_the_tool(toy_run: ToyRun) -> None:
    run = toy_run()
    candidate = submit(run, "honest")
    with pytest.raises(Refused, match="there is none") as refused:
        give(as_role(run, "judge"), candidate, "pass", "Looks right.")
    assert f"run_gate(candidate={candidate})" in refused.value.next_step
    assert run.ledger.count("verdict.given") == 0


@pytest.mark.parametrize("outcome", ["failed", "inconclusive"])
def test_a_pass_needs_a_gate_that_passed(toy_run: ToyRun, outcome: str) -> None:
    run = toy_run()
    candidate = submit(run, "honest")
    gated(run, candidate, outcome)
    with pytest.raises(Refused, match=outcome):
        give(as_role(run, "judge"), candidate, "pass", "Looks right.")
    assert give(as_role(run, "judge"), candidate, "fail", "Look at the slots.").verdict == "fail"


def test_a_gate_on_another_tree_or_target_is_no_gate(toy_run: ToyRun) -> None:
    run = toy_run()
    candidate, other = submit(run, "honest"), submit(run, "caches")
    gated(run, other, "passed")
    gated(run, candidate, "passed", digest="f" * 64)
    with pytest.raises(Refused, match="there is none"):
        give(as_role(run, "judge"), candidate, "pass", "Looks right.")


def test_a_fail_needs_no_gate(toy_run: ToyRun) -> None:
    run = toy_run()
    assert give(as_role(run, "judge"), submit(run, "honest"), "fail", "It reads the checker.").verdict_id == "V1"


@pytest.mark.parametrize(
    ("feedback", "findings"),
    [("", []), ("  ", []), ("x" * 2001, []), ("fine", ["x"] * 11), ("fine", ["x" * 301]), ("fine", [" "])],
)
def test_feedback_has_limits(toy_run: ToyRun, feedback: str, findings: list[str]) -> None:
    run = toy_run()
    with pytest.raises(BadRequest):
        give(as_role(run, "judge"), submit(run, "honest"), "fail", feedback, findings)


def test_an_unknown_candidate_or_verdict_is_told(toy_run: ToyRun) -> None:
    run = toy_run()
    tool = next(tool for tool in box.tools if tool.name == "submit_verdict")
    with pytest.raises(NotFound, match="C7"):
        tool.call(as_role(run, "judge"), {"candidate": "C7", "verdict": "fail", "feedback": "none"})
    with pytest.raises(BadRequest, match="verdict"):
        tool.call(as_role(run, "judge"), {"candidate": "C7", "verdict": "maybe", "feedback": "none"})


def test_roles(toy_run: ToyRun) -> None:
    by_role = {
        role: [tool.name for tool in box.for_role(as_role(toy_run(), role).role)]
        for role in ("orchestrator", "implementer", "judge", "evaluator", "human")
    }
    assert by_role["judge"] == by_role["human"] == ["run_gate", "show_gate", "submit_verdict"]
    assert by_role["orchestrator"] == by_role["evaluator"] == ["show_gate"]
    assert by_role["implementer"] == []
