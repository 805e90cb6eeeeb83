"""A dtype other than the numeric stage's: timed responses are judged beside an honest control."""

import pytest

from toy.fixtures import HERE
from vibeserve.core.errors import CandidateFailed
from vibeserve.core.evidence import candidate_record
from vibeserve.lab.judging import Answer, Score
from vibeserve.profiler.control import judge_against
from vibeserve.profiler.measuring import measure

ANSWERING = """
import asyncio, json, sys, urllib.request
out, url = sys.argv[1], sys.argv[2]
samples = []
for number in range(2):
    body = dict(prompt=f'asked {number}', max_tokens=6, stream=True)
    data = json.dumps(body).encode()
    answer = urllib.request.urlopen(urllib.request.Request(url + '/v1/completions', data)).read()
    events = [json.loads(line[6:]) for line in answer.split(b'\\n\\n') if line.startswith(b'data: {')]
    choices = [event['choices'][0] for event in events]
    ids = [token for choice in choices for token in choice['token_ids']]
    text = ''.join(choice['text'] for choice in choices)
    samples.append(dict(endpoint='completions', prompt=body['prompt'], max_tokens=6, token_ids=ids,
        text=text, finish_reason=choices[-1]['finish_reason']))
json.dump(dict(headline=dict(tokens_per_s=100), samples=samples), open(out, 'w'))
"""


def bfloat16_run(toy_run):
    """A run whose preset ships another dtype, with a benchmark that asks two questions."""
    declared = (HERE / "target" / "target.toml").read_text()
    command = next(line for line in declared.splitlines() if "benchmark.py" in line)
    code = ANSWERING.replace("{", "{{").replace("}", "}}").replace("\\", "\\\\").replace("\n", "\\n")
    asking = f'command = ["{{python}}", "-I", "-c", "{code}", "{{out}}", "{{url}}"]'
    return toy_run((command, asking), ('[presets.tiny]\ndtype = "float32"', '[presets.tiny]\ndtype = "bf16"'))


def tree_of(run, candidate):
    return candidate_record(run.ledger, candidate).body["tree"]


@pytest.mark.usefixtures("sandboxes_work")
def test_an_honest_candidate_passes_beside_its_control(toy_run, submit, evaluator):
    run = bfloat16_run(toy_run)
    parent = tree_of(run, submit(run, "honest"))
    result = measure(evaluator(run), submit(run, "honest", base=parent), "parent")
    assert result.served.status == "passed" and result.served.measured["control_mean_gap"] == 0
    assert result.served.threshold == {"max_ratio_to_control": 2.0, "floor": 1e-3}


@pytest.mark.usefixtures("sandboxes_work")
def test_a_wrong_candidate_fails_beside_its_control(toy_run, submit, evaluator):
    run = bfloat16_run(toy_run)
    parent = tree_of(run, submit(run, "honest"))
    with pytest.raises(CandidateFailed, match="times those of the reference"):
        measure(evaluator(run), submit(run, "wrong_token", base=parent), "parent")


def judged(mine: list[float], honest: list[float], **changes):
    fields = {
        "endpoint": "completions",
        "prompt": "p",
        "max_tokens": len(mine),
        "token_ids": tuple(range(len(mine))),
        "text": "t",
        "finish_reason": "length",
    }
    score, control = (Score(gaps=tuple(gaps), agreement=0, text="t") for gaps in (mine, honest))
    answer = Answer(**(fields | changes))
    return judge_against([control], [answer], [score], floor=1e-3, eos_ids=frozenset(), name="served")


@pytest.mark.parametrize(
    ("mine", "honest", "status"),
    [
        ([0.01] * 100, [0.01] * 100, "passed"),
        ([0.019] * 100, [0.01] * 100, "passed"),
        ([0.03] * 100, [0.01] * 100, "failed"),
        ([0.0] * 95 + [0.5] * 5, [0.1] * 100, "failed"),  # the mean is smaller, the tail is not
        ([0.0009] * 100, [0.0] * 100, "passed"),  # noise of fp32
        ([float("nan")] * 100, [0.01] * 100, "failed"),
    ],
)
def test_mean_and_tail_are_limited_by_the_control(mine, honest, status):
    assert judged(mine, honest).status == status


def test_text_and_length_are_judged_as_in_fp32():
    assert judged([0.0], [0.0], text="other").status == "failed"
    assert judged([0.0], [0.0], max_tokens=2).status == "failed"
