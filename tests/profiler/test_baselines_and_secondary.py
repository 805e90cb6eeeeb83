"""Measuring against the target's other baselines, secondary figures, and comparing without a record."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from toy_benchmarks import BENCHMARK, HONEST, INSTANT, SEVEN, instant_with, records, sided, tree_of

from vibeserve.core.errors import BadRequest, CandidateFailed, InfrastructureFailed
from vibeserve.core.run import Run
from vibeserve.profiler.comparing import FailedUnderLoad, compare_systems
from vibeserve.profiler.measuring import measure
from vibeserve.profiler.server import box

pytestmark = pytest.mark.usefixtures("sandboxes_work")

SERVE = '"{target}/reference/serve.py", "--port", "{port}", "--model", "{model}", "--dtype", "{dtype}"]'
BASELINES = (
    "[checker]\n",
    f'[baselines.twin]\ntitle = "The reference again"\nstrong = true\ncommand = ["{{python}}", {SERVE}\n\n'
    '[baselines.broken]\ntitle = "Never starts"\ncommand = ["{python}", "-c", "raise SystemExit(\'no luck\')"]\n\n'
    "[checker]\n",
)
ALSO = (
    "[presets.tiny]",
    '[[benchmark.also]]\nname = "first token"\nmetric = "rates.32.ttft_ms.p50"\nunit = "ms"\ndirection = "lower"\n\n'
    '[[benchmark.also]]\nname = "stall"\nmetric = "headline.max_stall_ms"\nunit = "ms"\ndirection = "lower"\n\n'
    "[presets.tiny]",
)
# The second secondary figure is never written.
WRITE = "json.dump(dict(headline=dict(tokens_per_s={figure}), rates=dict([('32', {rate})])), open(sys.argv[1], 'w'))"
FAST = WRITE.format(figure=20, rate="dict(ttft_ms=dict(p50=2.0))")
SLOW = WRITE.format(figure=10, rate="dict(ttft_ms=dict(p50=8.0))")
TOO_FEW = WRITE.format(figure=10, rate="dict(ttft_ms=dict(n=1, p50=None))")
LATE = WRITE.format(figure=20, rate="dict(void='the client was late', ttft_ms=dict(p50=2.0))")

ToyRun = Callable[..., Run]
Submit = Callable[..., str]
Evaluator = Callable[..., Any]


def test_what_is_no_side_to_measure_against_names_those_there_are(
    toy_run: ToyRun, submit: Submit, evaluator: Evaluator
) -> None:
    run = toy_run((BENCHMARK, INSTANT), BASELINES)
    candidate = submit(run, "honest")
    with pytest.raises(BadRequest, match="'reference' is nothing to measure against") as refused:
        measure(evaluator(run), candidate, "reference")
    assert "parent, baseline, twin, broken" in refused.value.next_step
    assert not records(run, "measurement.recorded") and not records(run, "infrastructure.failed")


def test_a_baseline_of_the_target_is_a_side_of_its_own(toy_run: ToyRun, submit: Submit, evaluator: Evaluator) -> None:
    run = toy_run((BENCHMARK, INSTANT), BASELINES)
    candidate, session = submit(run, "honest"), evaluator(run)
    measure(session, candidate, "baseline")
    tool = next(tool for tool in box.tools if tool.name == "measure")
    result = tool.call(session, {"candidate": candidate, "against": "twin", "wait_s": 60})
    assert (result["against"], result["against_tree"], result["pooled"]) == ("twin", "baseline:twin", 1)
    assert records(run, "measurement.recorded")[1]["against"] == "twin"


def test_a_baseline_is_started_by_its_own_command_and_blamed_itself(
    toy_run: ToyRun, submit: Submit, evaluator: Evaluator
) -> None:
    run = toy_run((BENCHMARK, INSTANT), BASELINES)
    with pytest.raises(InfrastructureFailed, match="failed, not the candidate") as failed:
        measure(evaluator(run), submit(run, "honest"), "broken")
    assert "no luck" in failed.value.evidence and not records(run, "gate.failed")


def test_secondary_figures_are_compared_and_pooled_like_the_headline(
    toy_run: ToyRun, submit: Submit, evaluator: Evaluator
) -> None:
    run = toy_run(sided(FAST, SLOW), ALSO)
    candidate, session = submit(run, SEVEN), evaluator(run)
    measure(session, candidate, "baseline")
    first_token, stall = measure(session, candidate, "baseline").also
    assert (first_token.name, first_token.unit, first_token.direction) == ("first token", "ms", "lower")
    assert first_token.values == [(2.0, 8.0)] * 2 and (first_token.pairs, first_token.outcome) == (4, "better")
    assert math.isclose(first_token.ratio or 0, 0.25) and math.isclose(first_token.value or 0, 2)
    assert "no positive number at headline.max_stall_ms" in (stall.missing or "")
    assert stall.ratio is None and not stall.values
    assert records(run, "measurement.recorded")[1]["also"][0]["against_value"] == pytest.approx(8)


@pytest.mark.parametrize(
    ("on_candidate", "on_reference", "reason"),
    [
        (TOO_FEW, SLOW, "a window of the candidate has no positive number at rates.32.ttft_ms.p50"),
        (FAST, TOO_FEW, "a window of the other side has no positive number"),
        (LATE, SLOW, "a window of the candidate is void there: the client was late"),
    ],
)
def test_a_secondary_figure_that_a_window_lacks_is_left_out_and_said(
    toy_run: ToyRun, submit: Submit, evaluator: Evaluator, on_candidate: str, on_reference: str, reason: str
) -> None:
    run = toy_run(sided(on_candidate, on_reference), ALSO)
    result = measure(evaluator(run), submit(run, SEVEN), "baseline")
    assert reason in (result.also[0].missing or "") and result.also[0].value is None
    assert result.pairs == 2 and not records(run, "gate.failed")


def test_comparing_two_systems_records_nothing(toy_run: ToyRun, submit: Submit, evaluator: Evaluator) -> None:
    run = toy_run(sided(FAST, SLOW), ALSO, BASELINES)
    tree = tree_of(run, submit(run, SEVEN))
    before, kept = len(run.ledger.records()), set(run.layout.artifacts.rglob("*"))
    compared = compare_systems(evaluator(run), tree, "baseline:twin")
    assert compared.values == [(20.0, 10.0)] * 2 and compared.comparison.verdict == "better"
    assert len(compared.seeds) == 2 and len(compared.windows) == 4
    assert compared.served.status == "not_applicable" and compared.environment["cores"]
    assert [figure.ratio for figure in compared.also] == [pytest.approx(0.25), None]
    assert len(run.ledger.records()) == before and set(run.layout.artifacts.rglob("*")) == kept


def test_a_candidate_that_fails_a_comparison_is_told_and_not_recorded(
    toy_run: ToyRun, submit: Submit, evaluator: Evaluator
) -> None:
    run = toy_run((BENCHMARK, INSTANT))
    tree = tree_of(run, submit(run, "exits"))
    before = len(run.ledger.records())
    with pytest.raises(FailedUnderLoad, match="before it was healthy") as failed:
        compare_systems(evaluator(run), tree, "reference")
    assert failed.value.stage.name == "served" and failed.value.kind == CandidateFailed.__name__
    assert len(run.ledger.records()) == before and not list(run.layout.scratch.iterdir())


def test_a_system_that_the_target_does_not_declare(toy_run: ToyRun, submit: Submit, evaluator: Evaluator) -> None:
    run = toy_run(instant_with("raise SystemExit(1)"))
    tree = tree_of(run, submit(run, HONEST))
    with pytest.raises(BadRequest, match="no baseline 'twin'") as refused:
        compare_systems(evaluator(run), tree, "baseline:twin")
    assert "none" in refused.value.next_step
