"""Updating: compare-and-set, evidence before done, no cycles, comments by everybody."""

from collections.abc import Callable
from typing import Any

import pytest

from vibeserve.core.errors import BadRequest, Conflict, NotFound, Refused, VibeServeError
from vibeserve.core.run import Run
from vibeserve.core.session import Session

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def update(call: Call) -> Call:
    """Updates an issue as the Orchestrator."""
    return lambda issue, **arguments: call("orchestrator", "update_issue", issue=issue, **arguments)


@pytest.fixture
def rounds(session: Callable[..., Session]) -> Call:
    """Opens a round on an issue, closes it when a decision is given, with a verdict in it if that is asked for."""

    def make(issue: str, decision: str = "", issue_status: str = "reopen", *, judged: bool = False) -> None:
        planner = session("orchestrator")
        name = f"R{planner.run.ledger.count('round.opened') + 1}"
        closing = {"decision": decision, "issue_status": issue_status, "hypothesis_status": "untested"}
        with planner.run.tx() as tx:
            planner.append(tx, "round.opened", name, {"round": name, "issue": issue})
            if judged:
                planner.append(tx, "verdict.given", "tree", {"verdict_id": "V1", "verdict": "fail", "round": name})
            if decision:
                body = {"round": name, "issue": issue, "reason": "because"} | closing
                planner.append(tx, "round.closed", name, body)

    return make


def test_an_update_names_the_version_it_read(file: Call, update: Call, call: Call) -> None:
    file("One")
    updated = update("I1", version=1, title="Better", priority=0)
    assert updated == {
        "issue": "I1",
        "version": 2,
        "status": "open",
        "changed": ["priority", "title"],
        "commented": False,
    }
    with pytest.raises(Conflict, match="at version 2, not 1") as refusal:
        update("I1", version=1, priority=3)
    assert "show_issue" in refusal.value.next_step
    with pytest.raises(BadRequest, match="needs the version"):
        update("I1", priority=3)
    assert call("judge", "show_issue", issue="I1")["priority"] == 0


@pytest.mark.parametrize("role", ["implementer", "judge", "evaluator", "human"])
def test_everybody_comments_without_a_version(file: Call, call: Call, role: str) -> None:
    file("One")
    said = call(role, "update_issue", issue="I1", comment="the slot is \x1b[31mstale")
    assert (said["version"], said["commented"], said["changed"]) == (1, True, [])
    newest = call("judge", "show_issue", issue="I1")["history"][-1]
    assert newest["by"] == role
    assert newest["what"] == "comment: the slot is \\x1b[31mstale"


@pytest.mark.parametrize("role", ["implementer", "judge", "evaluator"])
def test_others_only_comment(file: Call, call: Call, role: str) -> None:
    file("One")
    with pytest.raises(Refused, match="may comment on issues, not change them"):
        call(role, "update_issue", issue="I1", version=1, status="parked", comment="x")


@pytest.mark.parametrize("kind", ["feature", "perf"])
def test_a_feature_is_done_only_with_a_checkpoint(file: Call, update: Call, rounds: Call, kind: str) -> None:
    file("One", kind=kind)
    with pytest.raises(Refused, match="only with a promoted checkpoint") as refusal:
        update("I1", version=1, status="done", evidence=["I1"])
    assert "open_round" in refusal.value.next_step
    rounds("I1", "discard")
    with pytest.raises(Refused, match="only with a promoted checkpoint"):
        update("I1", version=2, status="done")
    rounds("I1", "promote")
    assert update("I1", version=3, status="done")["status"] == "done"
    update("I1", version=4, status="open")
    rounds("I1", "discard", judged=True)
    with pytest.raises(Refused, match="a promoted checkpoint of its last round"):
        update("I1", version=6, status="done")


@pytest.mark.parametrize("kind", ["bug", "refactor", "research"])
def test_other_kinds_need_an_evidence_record(file: Call, update: Call, rounds: Call, proof: str, kind: str) -> None:
    file("One", kind=kind)
    file("Two", kind=kind)
    with pytest.raises(Refused, match="Nothing shows that I1 is done"):
        update("I1", version=1, status="done")
    with pytest.raises(NotFound, match="nothing called 'M3'"):
        update("I1", version=1, status="done", evidence=["M3"])
    rounds("I1", "discard")
    for nothing in ([], ["I1"], ["R1"], ["I2", "R1"]):
        with pytest.raises(Refused, match="Nothing shows that I1 is done") as refusal:
            update("I1", version=2, status="done", evidence=nothing)
    assert "run_gate" in refusal.value.next_step
    rounds("I1", "discard", judged=True)
    assert update("I1", version=3, status="done")["status"] == "done"
    assert update("I2", version=1, status="done", evidence=["R1", proof])["status"] == "done"


def test_an_open_round_decides_the_status(file: Call, update: Call, rounds: Call, call: Call) -> None:
    file("One")
    rounds("I1")
    with pytest.raises(Refused, match="Round R1 is open on I1"):
        update("I1", version=1, status="parked")
    assert update("I1", version=1, priority=0)["status"] == "in_progress"


def test_the_newest_of_round_and_update_decides_the_status(file: Call, update: Call, rounds: Call) -> None:
    file("One")
    update("I1", version=1, status="blocked")
    rounds("I1", "discard", "abandon")
    with pytest.raises(Conflict):
        update("I1", version=2, status="parked")
    assert update("I1", version=3, comment="still")["status"] == "abandoned"
    assert update("I1", version=3, status="open")["status"] == "open"


def test_dependencies_form_no_cycle(file: Call, update: Call) -> None:
    for title in ("One", "Two", "Three"):
        file(title)
    update("I1", version=1, depends_on=["I2"])
    update("I2", version=1, depends_on=["I3"])
    with pytest.raises(BadRequest, match="I3 → I1 → I2 → I3"):
        update("I3", version=1, depends_on=["I1"])
    with pytest.raises(BadRequest, match="I3 → I3"):
        update("I3", version=1, depends_on=["I3"])
    assert update("I1", version=2, depends_on=[])["changed"] == ["depends_on"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"issue": "I9", "comment": "x"}, NotFound, "no issue 'I9'"),
        ({}, BadRequest, "nothing to change"),
        ({"comment": "x" * 1501}, BadRequest, "comment has 1501"),
        ({"version": 1, "title": ""}, BadRequest, "title is empty"),
        ({"version": 1, "status": "in_progress"}, BadRequest, "status"),
        ({"version": 1, "depends_on": ["I5"]}, NotFound, "'I5'"),
        ({"version": 1, "status": "done", "evidence": ["I1"] * 11}, BadRequest, "11 ids"),
    ],
)
def test_wrong_arguments_change_nothing(
    file: Call, update: Call, run: Run, arguments: dict[str, Any], error: type[VibeServeError], message: str
) -> None:
    file("One")
    with pytest.raises(error, match=message):
        update(**({"issue": "I1"} | arguments))
    assert run.ledger.count("issue.updated") == 0
