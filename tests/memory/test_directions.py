"""Directions: a status that the evidence carries, a name that stands once."""

from collections.abc import Callable
from typing import Any

import pytest

from vibeserve.core.errors import BadRequest, Conflict, NotFound, Refused, VibeServeError
from vibeserve.core.run import Run
from vibeserve.core.session import Session

Call = Callable[..., dict[str, Any]]
PASSED, BROKEN, REUSED = "a" * 40, "b" * 40, "c" * 40


@pytest.fixture
def records(session: Callable[..., Session]) -> None:
    """What may be named as evidence, on three trees: one that passed, one with a bug, one that reused answers."""
    judge = session("judge")

    def failed(stage: str) -> dict[str, Any]:
        return {"stages": [{"name": "boot", "status": "passed"}, {"name": stage, "status": "failed"}]}

    happened: list[tuple[str, str, dict[str, Any]]] = [
        ("round.opened", "R1", {"round": "R1"}),
        ("candidate.submitted", PASSED, {"candidate": "C1"}),
        ("gate.passed", PASSED, {"gate": "G1", "stages": []}),
        ("gate.failed", BROKEN, {"gate": "G2"} | failed("numeric")),
        ("gate.failed", REUSED, {"gate": "G3"} | failed("repeat")),
        ("verdict.given", PASSED, {"verdict_id": "V1", "verdict": "fail"}),
        ("verdict.given", BROKEN, {"verdict_id": "V2", "verdict": "fail"}),
        ("verdict.given", REUSED, {"verdict_id": "V3", "verdict": "fail"}),
        ("verdict.given", PASSED, {"verdict_id": "V4", "verdict": "pass"}),
        ("verdict.given", "d" * 40, {"verdict_id": "V5", "verdict": "fail"}),
        ("measurement.recorded", PASSED, {"measurement": "M1"}),
        ("evaluation.given", PASSED, {"evaluation": "E1"}),
    ]
    with judge.run.tx() as tx:
        for kind, subject, body in happened:
            judge.append(tx, kind, subject, body | {"target_digest": judge.run.target_digest})


@pytest.fixture
def record(call: Call, records: None) -> Call:
    """Records a direction as the Orchestrator."""
    fields = {"name": "Completion cache", "mechanism": "keyed by prompt", "hypothesis": "saves all work"}
    return lambda **given: call("orchestrator", "record_direction", **(fields | given))


def test_a_direction_stands_with_its_evidence(record: Call, call: Call, run: Run) -> None:
    made = record(status="unsuitable", evidence=["G2", "V1", "V1"])
    assert made == {"direction": "D1", "name": "Completion cache", "status": "unsuitable"}
    shown = call("implementer", "read_memory", directions=True)
    assert shown["directions"][0]["evidence"] == ["G2", "V1"]
    last = run.ledger.last("memory.direction", "D1")
    assert last is not None
    assert last.body["direction"] == "D1"


@pytest.mark.parametrize("evidence", [["V1"], ["G3", "V3"], ["M1"], ["E1"]])
def test_what_speaks_against_an_idea(record: Call, evidence: list[str]) -> None:
    """A verdict does on what passed the gate, and on what used something that the target does not permit."""
    assert record(status="unsuitable", evidence=evidence)["status"] == "unsuitable"


@pytest.mark.parametrize(
    "evidence", [[], ["G2"], ["G2", "C1", "R1"], ["G1"], ["G3"], ["G2", "V2"], ["V4"], ["V5"], ["G1", "V2", "V4"]]
)
def test_failed_gates_alone_make_nothing_unsuitable(record: Call, run: Run, evidence: list[str]) -> None:
    with pytest.raises(Refused, match="a bug is not evidence against an idea") as refusal:
        record(status="unsuitable", evidence=evidence)
    assert "needs_debugging" in refusal.value.next_step
    assert run.ledger.count("memory.direction") == 0
    assert record(status="needs_debugging", evidence=evidence)["direction"] == "D1"


@pytest.mark.parametrize("status", ["proven", "disproven"])
def test_only_a_measurement_proves(record: Call, status: str) -> None:
    with pytest.raises(Refused, match=f"called {status} without a measurement"):
        record(status=status, evidence=["G1", "V1", "E1"])
    assert record(status=status, evidence=["M1"])["status"] == status


def test_a_name_stands_once(record: Call, call: Call) -> None:
    record(status="promising")
    with pytest.raises(Conflict, match="D1 has this name and says promising") as refusal:
        record(status="inconclusive", name="completion CACHE")
    assert "supersedes D1" in refusal.value.next_step
    record(status="disproven", evidence=["M1"], supersedes="D1")
    shown = call("human", "read_memory", directions=True)["directions"]
    assert [(item["direction"], item["status"]) for item in shown] == [("D2", "disproven")]
    with pytest.raises(Conflict, match="'D1' is no standing direction"):
        record(status="promising", supersedes="D1")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"evidence": ["M2"]}, NotFound, "nothing called 'M2'"),
        ({"evidence": ["M1"] * 11}, BadRequest, "11 ids"),
        ({"name": ""}, BadRequest, "name is empty"),
        ({"mechanism": "x" * 601}, BadRequest, "mechanism has 601"),
        ({"status": "maybe"}, BadRequest, "status"),
        ({"supersedes": "D4"}, Conflict, "'D4' is no standing direction"),
    ],
)
def test_wrong_arguments_record_nothing(
    record: Call, run: Run, given: dict[str, Any], error: type[VibeServeError], message: str
) -> None:
    with pytest.raises(error, match=message):
        record(**({"status": "promising"} | given))
    assert run.ledger.count("memory.direction") == 0


def test_many_directions_are_found_by_query(record: Call, call: Call) -> None:
    for number in range(12):
        record(status="promising", name=f"Idea {number}", mechanism="m" * 600, hypothesis="h" * 600)
    shown = call("orchestrator", "read_memory", directions=True)
    assert (len(shown["directions"]), shown["more_directions"]) == (8, 4)
    assert shown["directions"][0]["name"] == "Idea 11"
    found = call("orchestrator", "read_memory", directions=True, query="idea 3")
    assert [item["name"] for item in found["directions"]] == ["Idea 3"]


def test_only_planners_record(call: Call, records: None) -> None:
    with pytest.raises(Refused, match="is not for the role evaluator"):
        call("evaluator", "record_direction", name="x", mechanism="x", hypothesis="x", status="promising")
