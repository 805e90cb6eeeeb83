"""Measuring real services in real sandboxes: what is recorded, and each way it says no."""

import json

import pytest
from toy_benchmarks import BENCHMARK, EQUAL, HONEST, INSTANT, SEVEN, instant_with, records, sided, tree_of

from vibeserve.core.errors import CandidateFailed, InfrastructureFailed, NotFound, Refused
from vibeserve.core.evidence import candidate_record, evidence_on
from vibeserve.lab.stand.coverage import coverage
from vibeserve.profiler.measuring import measure
from vibeserve.profiler.server import box

pytestmark = pytest.mark.usefixtures("sandboxes_work")

WRONG_WHEN_SHARED = """
import asyncio

class Engine:
    def __init__(self, model):
        self.model, self.running = model, 0

    async def generate(self, prompt, limit, _stops):
        stale = self.running > 0
        self.running += 1
        try:
            await asyncio.sleep(0.15)
            state = self.model.start(prompt)
            for place in range(limit):
                token = self.model.greedy(state)
                if stale and place == 2:
                    token = (token + 1) % len(range(1024))
                state = self.model.step(state, token)
                await asyncio.sleep(0.001)
                yield token
        finally:
            self.running -= 1
"""
SILENT_UNDER_LOAD = """
import asyncio

class Engine:
    def __init__(self, model):
        pass

    async def generate(self, prompt, limit, _stops):
        await asyncio.sleep(3600)
        yield 0
"""


FIGURE = "json.dump(dict(headline=dict(tokens_per_s=5)), open(sys.argv[1], 'w'))"
UNSERVED = (
    "json.dump(dict(headline=dict(tokens_per_s=0, served=False, reason='it hangs ' + chr(27))), open(sys.argv[1], 'w'))"
)
UNENDING = "time.sleep(600)"
SOON = ("relative_noise = 0.05\ntimeout_s = 30", "relative_noise = 0.05\ntimeout_s = 5")


@pytest.fixture
def slow_parent(submit):
    """Submits a server that takes a hundred times as long for a token; returns its tree."""
    return lambda run: tree_of(run, submit(run, HONEST.replace("STEP_S = 0.001", "STEP_S = 0.1")))


def test_a_faster_candidate_is_better_than_its_parent(toy_run, submit, slow_parent, evaluator):
    run = toy_run(("pairs = 2", "pairs = 3"))
    parent = slow_parent(run)
    messages = []
    session = evaluator(run)
    session.progress = messages.append
    result = measure(session, submit(run, "honest", base=parent), "parent")
    assert result.outcome == "better" and result.value > result.against_value > 0
    assert 1 < result.ci95[0] < result.ratio < result.ci95[1] and result.pairs == 3
    assert result.served.status == "passed" and result.served.measured["max_gap"] == 0
    assert result.served.measured["answers"] > 8
    assert result.coverage == ["boot", "checker", "numeric", "repeat", "served"] and not result.not_applicable
    assert len(set(result.seeds)) == len(result.values) == 3
    assert result.environment["cores"] and result.against_tree == parent != result.tree
    (body,) = records(run, "measurement.recorded")
    assert body == result.model_dump(mode="json") and body["measurement"] == "M1"
    assert evidence_on(run.ledger, result.tree, run.target_digest).measurements
    assert any("pair 2 of 3" in message for message in messages)
    assert not list(run.layout.scratch.iterdir())
    windows = json.loads(run.artifacts.path(result.artifact).read_text())
    # A busy machine may void and repeat a pair, with another seed: what counts has the seeds of the result.
    counted = [window for window in windows if window["seed"] in result.seeds]
    assert [window["pair"] for window in counted] == [0, 0, 1, 1, 2, 2]
    assert {window["side"] for window in counted[:2]} == {"candidate", "other"}
    assert counted[0]["seed"] == counted[1]["seed"] != counted[2]["seed"]
    assert all(window["void"] for window in windows if window["seed"] not in result.seeds and window["value"] is None)
    assert "samples" not in windows[0]["document"]


def test_equals_are_inconclusive(toy_run, submit, evaluator):
    run = toy_run((BENCHMARK, EQUAL))
    parent = tree_of(run, submit(run, "honest"))
    twin = submit(run, HONEST + "\n# the same engine in another tree\n", base=parent)
    result = measure(evaluator(run), twin, "parent")
    assert (result.outcome, result.ratio, result.ci95) == ("inconclusive", 1, (1, 1))


def test_where_the_base_is_the_reference_the_parent_is_the_baseline(toy_run, submit, evaluator):
    run = toy_run((BENCHMARK, INSTANT))
    result = measure(evaluator(run), submit(run, "honest"), "parent")
    assert result.against == "parent" and result.against_tree == "reference"
    assert result.served.status == "not_applicable"
    assert "writes no samples" in result.served.feedback
    assert result.not_applicable == ["served"] and "served" not in result.coverage
    assert coverage(run).not_applicable == ["served"]  # which gates after this one say too


def test_measurements_are_pooled_and_there_are_four_looks(toy_run, submit, evaluator):
    run = toy_run((BENCHMARK, INSTANT))
    candidate, session = submit(run, "honest"), evaluator(run)
    results = [measure(session, candidate, "baseline") for _ in range(4)]
    assert [result.pairs for result in results] == [2, 4, 6, 8]
    assert [result.pooled for result in results] == [1, 2, 3, 4]
    assert results[3].ratio == pytest.approx(results[3].value / results[3].against_value)
    with pytest.raises(Refused, match="measured 4 times"):
        measure(session, candidate, "baseline")


@pytest.mark.parametrize(
    ("gate", "reason"),
    [(None, "has not passed"), ("gate.inconclusive", "has not passed"), ("gate.failed", "failed the gate")],
)
def test_what_did_not_pass_the_gate_is_not_measured(toy_run, submit, evaluator, gate, reason):
    run = toy_run()
    with pytest.raises(Refused, match=reason) as refused:
        measure(evaluator(run), submit(run, "honest", gate=gate), "parent")
    assert "gate" in refused.value.next_step
    assert not records(run, "measurement.recorded") and not records(run, "infrastructure.failed")


def test_a_gate_under_another_target_does_not_count(toy_run, submit, evaluator):
    run = toy_run()
    candidate = submit(run, "honest", gate=None)
    record = candidate_record(run.ledger, candidate)
    with run.tx() as tx:
        tx.append(record.actor, "gate.passed", record.subject, {"gate": "G1", "target_digest": "other"})
    with pytest.raises(Refused, match="run_gate by the Accuracy Judge supplies it"):
        measure(evaluator(run), candidate, "parent")


def test_an_unknown_candidate(toy_run, evaluator):
    with pytest.raises(NotFound, match="no candidate C9"):
        measure(evaluator(toy_run()), "C9", "parent")


def test_wrong_answers_under_load_fail_the_tree(toy_run, submit, slow_parent, evaluator):
    run = toy_run()
    candidate = submit(run, WRONG_WHEN_SHARED, base=slow_parent(run))
    with pytest.raises(CandidateFailed, match="failed under load"):
        measure(evaluator(run), candidate, "parent")
    (gate,) = records(run, "gate.failed")
    assert gate["stages"][0]["name"] == "served" and gate["stages"][0]["measured"]["max_gap"] > 1e-3
    assert gate["gate"] == "G3" and gate["candidate"] == candidate
    assert not records(run, "measurement.recorded")
    with pytest.raises(Refused, match="failed the gate"):
        measure(evaluator(run), candidate, "parent")


def test_a_candidate_that_dies_under_load_fails(toy_run, submit, evaluator):
    run = toy_run()
    with pytest.raises(CandidateFailed, match="exit status 3"):
        measure(evaluator(run), submit(run, "crashes_under_load"), "baseline")
    (gate,) = records(run, "gate.failed")
    assert "slot table overflow" in gate["stages"][0]["feedback"]
    assert not records(run, "infrastructure.failed")


def test_a_candidate_that_serves_nothing_fails(toy_run, submit, evaluator):
    run = toy_run()
    with pytest.raises(CandidateFailed, match="served nothing"):
        measure(evaluator(run), submit(run, SILENT_UNDER_LOAD), "baseline")


def test_a_benchmark_may_say_that_the_candidate_does_not_serve(toy_run, submit, evaluator):
    run = toy_run(sided(UNSERVED, FIGURE))
    with pytest.raises(CandidateFailed, match="it does not serve"):
        measure(evaluator(run), submit(run, SEVEN), "baseline")
    (gate,) = records(run, "gate.failed")
    feedback = gate["stages"][0]["feedback"]
    assert gate["stages"][0]["name"] == "served" and "untrusted text" in feedback
    assert "it hangs" in feedback and "\x1b" not in feedback
    assert not records(run, "infrastructure.failed") and not records(run, "measurement.recorded")


def test_a_reference_that_does_not_serve_is_nobodys_fault(toy_run, submit, evaluator):
    run = toy_run(sided(FIGURE, UNSERVED))
    with pytest.raises(InfrastructureFailed, match=r"measured against failed, not the candidate.*does not serve"):
        measure(evaluator(run), submit(run, SEVEN), "baseline")
    assert not records(run, "gate.failed") and len(records(run, "infrastructure.failed")) == 1


def test_a_benchmark_that_ends_on_the_other_side_alone_fails_the_candidate(toy_run, submit, evaluator):
    run = toy_run(sided(UNENDING, FIGURE), SOON)
    with pytest.raises(CandidateFailed, match="ends on the other side in"):
        measure(evaluator(run), submit(run, SEVEN), "baseline")
    assert len(records(run, "gate.failed")) == 1 and not records(run, "infrastructure.failed")


def test_a_benchmark_that_never_ends_is_infrastructure(toy_run, submit, evaluator):
    run = toy_run(sided(UNENDING, UNENDING), SOON)
    with pytest.raises(InfrastructureFailed, match="did not end within"):
        measure(evaluator(run), submit(run, SEVEN), "baseline")
    assert not records(run, "gate.failed") and len(records(run, "infrastructure.failed")) == 1


def test_a_candidate_that_does_not_start_to_be_measured_fails_on_record(toy_run, submit, evaluator):
    run = toy_run((BENCHMARK, INSTANT))
    with pytest.raises(CandidateFailed, match="before it was healthy"):
        measure(evaluator(run), submit(run, "exits"), "baseline")
    (gate,) = records(run, "gate.failed")
    assert gate["stages"][0]["name"] == "served" and "no kernel image" in gate["stages"][0]["feedback"]
    assert not records(run, "infrastructure.failed") and not list(run.layout.scratch.iterdir())


def test_pooling_and_looks_count_what_was_recorded_meanwhile(toy_run, submit, evaluator):
    run = toy_run((BENCHMARK, INSTANT))
    candidate, session, other = submit(run, "honest"), evaluator(run), evaluator(run)
    pooled = []

    def the_others_are_faster(message):
        session.progress = lambda _message: None
        pooled.extend(measure(other, candidate, "baseline").pooled for _ in range(looks))

    looks, session.progress = 1, the_others_are_faster
    assert measure(session, candidate, "baseline").pooled == 2 and pooled == [1]
    looks, session.progress = 2, the_others_are_faster
    with pytest.raises(Refused, match="measured 4 times"):
        measure(session, candidate, "baseline")
    assert len(records(run, "measurement.recorded")) == 4


def test_a_changed_target_measures_nothing(toy_run, submit, evaluator):
    run = toy_run((BENCHMARK, INSTANT))
    load = run.layout.target / "benchmark" / "load_tiny.json"
    load.chmod(0o644)
    load.write_text(load.read_text() + " ")
    with pytest.raises(InfrastructureFailed, match="snapshot of its target was changed"):
        measure(evaluator(run), submit(run, "honest"), "baseline")
    assert not records(run, "gate.failed") and not records(run, "measurement.recorded")


def test_a_dead_parent_is_not_the_candidates_fault(toy_run, submit, evaluator):
    run = toy_run((BENCHMARK, INSTANT))
    base = tree_of(run, submit(run, "exits"))
    with pytest.raises(InfrastructureFailed, match="failed, not the candidate"):
        measure(evaluator(run), submit(run, "honest", base=base), "parent")
    assert not records(run, "gate.failed") and len(records(run, "infrastructure.failed")) == 1


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; sys.exit('out of luck')", "benchmark failed"),
        ("pass", "no readable result"),
        ("import sys; open(sys.argv[1], 'w').write('[]')", "no readable result"),
        ("import json,sys; json.dump(dict(headline=5), open(sys.argv[1], 'w'))", "no finite"),
        ("import os,sys; os.symlink('/etc/hostname', sys.argv[1])", "no readable result"),
        (
            "import json,sys; json.dump(dict(headline=dict(tokens_per_s=1)) | dict(samples=[]), "
            "open(sys.argv[1], 'w'))",
            "nothing can be judged",
        ),
    ],
)
def test_a_broken_benchmark_is_infrastructure(toy_run, submit, evaluator, code, reason):
    run = toy_run(instant_with(code))
    with pytest.raises(InfrastructureFailed, match=reason):
        measure(evaluator(run), submit(run, "honest"), "baseline")
    (body,) = records(run, "infrastructure.failed")
    assert body["tool"] == "measure" and not records(run, "gate.failed")
    assert not list(run.layout.scratch.iterdir())


def test_void_windows_are_repeated_twice_and_then_it_is_infrastructure(toy_run, submit, evaluator):
    code = "import json,sys; json.dump(dict(headline=dict(tokens_per_s=1, void='late')), open(sys.argv[1],'w'))"
    run = toy_run(instant_with(code))
    with pytest.raises(InfrastructureFailed, match="void 3 times") as failed:
        measure(evaluator(run), submit(run, "honest"), "baseline")
    assert failed.value.evidence == "late\nlate\nlate"


def test_a_cancelled_session_ends_the_measurement(toy_run, submit, evaluator):
    run = toy_run((BENCHMARK, INSTANT))
    session = evaluator(run)
    session.cancelled.set()
    with pytest.raises(InfrastructureFailed, match="session ended"):
        measure(session, submit(run, "honest"), "baseline")
    assert not records(run, "measurement.recorded")


def test_the_tool_runs_as_a_job(toy_run, submit, evaluator):
    run = toy_run((BENCHMARK, INSTANT))
    tool = next(tool for tool in box.tools if tool.name == "measure")
    session = evaluator(run)
    started = tool.call(session, {"candidate": submit(run, "honest"), "against": "baseline", "wait_s": 0})
    assert started["status"] == "running"
    result = tool.call(session, {"candidate": "C1", "job": started["job"], "wait_s": 60})
    assert result["measurement"] == "M1" and len(json.dumps(result)) < 8192
