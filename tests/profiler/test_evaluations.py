"""Evaluations and the trend, over the real ledger."""

import json

import pytest

from vibeserve.core.errors import BadRequest, NotFound, Refused
from vibeserve.core.roles import Actor, Role, system_actor
from vibeserve.core.session import Session
from vibeserve.profiler.evaluations import submit as submit_evaluation
from vibeserve.profiler.evaluations import trend
from vibeserve.profiler.server import box


def record_measurement(run, candidate_body, ratio: float = 2.0, digest: str | None = None) -> None:
    with run.tx() as tx:
        body = {
            "measurement": f"M{run.ledger.count('measurement.recorded') + 1}",
            "candidate": candidate_body["candidate"],
            "round": candidate_body["round"],
            "tree": candidate_body["tree"],
            "target_digest": digest or run.target_digest,
            "against": "baseline",
            "ratio": ratio,
            "ci95": [ratio / 1.1, ratio * 1.1],
            "outcome": "better",
            "value": 100.0 * ratio,
        }
        tx.append(system_actor(), "measurement.recorded", candidate_body["tree"], body)


@pytest.fixture
def measured(toy_run, submit):
    run = toy_run()
    submit(run, "honest")
    body = run.ledger.last("candidate.submitted").body
    record_measurement(run, body)
    return run, body


def test_an_evaluation_is_recorded_on_the_tree(measured, evaluator):
    run, body = measured
    result = submit_evaluation(evaluator(run), "C1", "Twice as fast.", "prefill", ["batch prefills"])
    record = run.ledger.last("evaluation.given", body["tree"])
    assert result.evaluation == record.body["evaluation"] == "E1"
    assert record.body["summary"] == "Twice as fast." and record.body["suggestions"] == ["batch prefills"]
    assert record.body["target_digest"] == run.target_digest and record.actor.role == Role.EVALUATOR


def test_no_evaluation_without_a_measurement_under_this_target(toy_run, submit, evaluator):
    run = toy_run()
    submit(run, "honest")
    record_measurement(run, run.ledger.last("candidate.submitted").body, digest="another target")
    with pytest.raises(Refused, match="no measurement") as refused:
        submit_evaluation(evaluator(run), "C1", "Fast, surely.", None, [])
    assert "measure" in refused.value.next_step


@pytest.mark.parametrize(
    ("summary", "bottleneck", "suggestions"),
    [
        ("", None, []),
        ("   ", None, []),
        ("x" * 2001, None, []),
        ("ok", "", []),
        ("ok", "x" * 501, []),
        ("ok", None, ["x"] * 6),
        ("ok", None, [""]),
        ("ok", None, ["x" * 501]),
    ],
)
def test_limits_are_clear_sentences(measured, evaluator, summary, bottleneck, suggestions):
    run, _ = measured
    with pytest.raises(BadRequest):
        submit_evaluation(evaluator(run), "C1", summary, bottleneck, suggestions)
    assert not run.ledger.records("evaluation.given")


def test_an_unknown_candidate_cannot_be_evaluated(measured, evaluator):
    with pytest.raises(NotFound):
        submit_evaluation(evaluator(measured[0]), "C7", "ok", None, [])


def test_the_trend_is_newest_first_and_paged(measured, evaluator):
    run, body = measured
    for index in range(44):
        record_measurement(run, body, ratio=1 + index / 100)
    record_measurement(run, body, digest="another target")
    session, seen, cursor = evaluator(run), [], None
    for rows in (20, 20, 5):
        page = trend(session, cursor)
        assert len(page.rows) == rows and len(page.model_dump_json()) < 8192
        seen += [row.measurement for row in page.rows]
        cursor = page.next_cursor
    assert cursor is None and seen == [f"M{number}" for number in range(45, 0, -1)]
    assert page.unit == "tokens/s" and page.rows[-1].ratio == 2.0


def test_each_tool_is_for_its_roles_and_small(measured):
    run, _ = measured
    assert [tool.name for tool in box.tools] == ["measure", "submit_evaluation", "trend"]
    assert [tool.name for tool in box.for_role(Role.IMPLEMENTER)] == ["trend"]
    implementer = Session(run, Actor(Role.IMPLEMENTER, "S-test", client="test"))
    for tool in box.tools[:2]:
        with pytest.raises(Refused, match="not for the role"):
            tool.call(implementer, {"candidate": "C1"})
    schemas = [tool.schema for tool in box.tools]
    assert len(json.dumps(schemas)) + sum(len(tool.description) for tool in box.tools) < 4096
