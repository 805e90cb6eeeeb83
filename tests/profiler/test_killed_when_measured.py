"""kill -9 from outside during a measurement: nobody's fault, measured again; of one tree forgiven twice."""

import pytest

from toy.kills import BENCHMARK, CANDIDATE, REFERENCE, killing
from vibeserve.core.errors import CandidateFailed, InfrastructureFailed, ServerKilled
from vibeserve.profiler.measuring import measure

pytestmark = pytest.mark.usefixtures("sandboxes_work")

TIMED = """command = ["{python}", "-I", "{target}/benchmark/benchmark.py", "--url", "{url}", "--model", \
"{model}", "--seed", "{seed}", "--load", "{target}/benchmark/load_{preset}.json", "--out", "{out}"]"""
INSTANT = """command = ["{python}", "-I", "-c", "import json,random,sys; json.dump(dict(headline=dict(\
tokens_per_s=random.uniform(90, 110))), open(sys.argv[1], 'w'))", "{out}"]"""
AT = "pair 1 of 2: timing the candidate"


def traces(run):
    return [record.body for record in run.ledger.records("infrastructure.failed")]


@pytest.mark.parametrize(
    ("benchmark", "at", "delay_s"), [(INSTANT, AT, 0), (TIMED, AT, 0.7), (INSTANT, "starting the other", 0)]
)
def test_a_killed_candidate_is_measured_again(toy_run, submit, evaluator, benchmark, at, delay_s):
    run = toy_run((TIMED, benchmark))
    session, candidate = evaluator(run), submit(run, "honest")
    session.progress = killing(CANDIDATE, at, delay_s)
    with pytest.raises(ServerKilled, match="counts against nobody"):
        measure(session, candidate, "baseline")
    (trace,) = traces(run)
    assert trace["killed"] is True and trace["tool"] == "measure"
    assert run.ledger.last("gate.failed") is None and not list(run.layout.scratch.iterdir())
    if benchmark == INSTANT:
        assert measure(session, candidate, "baseline").pooled == 1


def test_the_third_kill_of_a_tree_fails_it(toy_run, submit, evaluator):
    run = toy_run((TIMED, INSTANT))
    session, candidate = evaluator(run), submit(run, "honest")
    session.progress = killing(CANDIDATE, AT, times=3)
    for _ in range(2):
        with pytest.raises(ServerKilled):
            measure(session, candidate, "baseline")
    with pytest.raises(CandidateFailed, match="end number 3 of this kind"):
        measure(session, candidate, "baseline")
    assert run.ledger.last("gate.failed").body["stages"][0]["name"] == "served"


@pytest.mark.parametrize(
    ("script", "at", "delay_s", "said"),
    [
        (REFERENCE, "pair 1 of 2: timing the other", 0, "measured against failed, not the candidate"),
        (BENCHMARK, AT, 0.1, "exit status 137"),
    ],
)
def test_what_is_killed_beside_the_candidate_is_no_kill_of_its_tree(
    toy_run, submit, evaluator, script, at, delay_s, said
):
    run = toy_run()
    session, candidate = evaluator(run), submit(run, "honest")
    session.progress = killing(script, at, delay_s)
    with pytest.raises(InfrastructureFailed, match=said) as failed:
        measure(session, candidate, "baseline")
    assert not isinstance(failed.value, ServerKilled)
    (trace,) = traces(run)
    assert "killed" not in trace and run.ledger.last("gate.failed") is None
