import json
from dataclasses import dataclass
from itertools import pairwise

import pytest

from vibeserve.core.errors import BadRequest
from vibeserve.lab.judging import ModelIds, answers, prompts
from vibeserve.lab.load import Sample

POOL = ["The first passage speaks of rivers, of bridges and of the towns between them.", "A short one."]


@dataclass(frozen=True)
class Spec:
    prompts: int = 64
    prompt_tokens: tuple[int, int] = (8, 96)
    output_tokens: tuple[int, int] = (4, 48)


def draw(seed: int = 1, spec: Spec = Spec()):
    return prompts.draw(POOL, spec, seed=seed, vocabulary=4096)


def prompt_of(request) -> str:
    return request.body["prompt"] if "prompt" in request.body else request.body["messages"][0]["content"]


def test_the_same_seed_draws_the_same_plan_and_another_one_other_prompts():
    assert draw(1) == draw(1)
    assert not {prompt_of(r) for r in draw(1).requests} & {prompt_of(r) for r in draw(2).requests}


def test_prompts_are_distinct_from_their_first_words_on():
    beginnings = {prompt_of(request)[:8] for request in draw().requests}
    assert len(beginnings) == 64


def test_lengths_are_ragged_and_within_their_ranges():
    plan = draw()
    characters = [len(prompt_of(request)) for request in plan.requests]
    limits = [request.body["max_tokens"] for request in plan.requests]
    assert 24 <= min(characters) < 100 < 200 < max(characters) <= 288
    assert 4 <= min(limits) < 12 < 36 < max(limits) <= 48


def test_a_few_requests_run_alone_and_the_others_arrive_staggered():
    at_s = [request.at_s for request in draw().requests]
    assert at_s == sorted(at_s)
    assert at_s[:3] == [0.0, 0.5, 1.0]
    gaps = {round(later - earlier, 4) for earlier, later in pairwise(at_s[3:])}
    assert len(gaps) > 50
    assert 0.5 < at_s[-1] - at_s[3] < 6


def test_both_endpoints_and_real_stop_ids_are_mixed_in():
    bodies = [request.body for request in draw().requests]
    chats = sum("messages" in body for body in bodies)
    stops = [body["stop_token_ids"] for body in bodies if "stop_token_ids" in body]
    assert 16 < chats < 48
    assert 16 < len(stops) < 48
    assert all(len(set(ids)) == 64 and min(ids) >= 0 and max(ids) < 4096 for ids in stops)
    assert all(body["temperature"] == 0 and body["stream"] and body["return_token_ids"] for body in bodies)


def test_a_pool_without_text_is_refused():
    with pytest.raises(BadRequest):
        prompts.draw(["", "  "], Spec(), seed=1, vocabulary=4096)


def test_a_pool_is_read_line_by_line_and_a_broken_one_refused(tmp_path):
    pool = tmp_path / "pool.jsonl"
    pool.write_text('{"text": "one"}\n\n{"text": "two"}\n')
    assert prompts.read_pool(pool) == ["one", "two"]
    for broken in ("no json\n", '{"prompt": "x"}\n', "[1]\n"):
        pool.write_text(broken)
        with pytest.raises(BadRequest):
            prompts.read_pool(pool)
    with pytest.raises(BadRequest):
        prompts.read_pool(tmp_path / "absent")


def test_answers_pair_each_request_with_its_sample_and_name_the_unfinished():
    plan = draw(spec=Spec(prompts=2))
    whole = {"finish_reason": "length", "done": True, "token_ids": (1,), "text": "a"}
    samples = [Sample(index=0, at_s=0, **whole), Sample(index=1, at_s=0.5, token_ids=(1,))]
    first, second = answers(plan, samples)
    assert (first.error, second.error) == (None, "incomplete")
    assert first.max_tokens == plan.requests[0].body["max_tokens"]
    assert first.endpoint == ("chat" if "messages" in plan.requests[0].body else "completions")


@pytest.mark.parametrize(
    ("config", "generation", "expected"),
    [
        ({"eos_token_id": None}, None, set()),
        ({"eos_token_id": 2}, None, {2}),
        ({"eos_token_id": 2}, {"eos_token_id": [3, 4]}, {3, 4}),
        ({"eos_token_id": [2, 5]}, {}, {2, 5}),
    ],
)
def test_end_ids_come_from_the_generation_settings_first(tmp_path, config, generation, expected):
    (tmp_path / "config.json").write_text(json.dumps(config | {"vocab_size": 10}))
    if generation is not None:
        (tmp_path / "generation_config.json").write_text(json.dumps(generation))
    assert ModelIds.read(tmp_path) == ModelIds(vocabulary=10, eos_ids=frozenset(expected))


def test_a_folder_that_is_no_snapshot_is_refused(tmp_path):
    for content in ("no json", "[]", "{}"):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(BadRequest):
            ModelIds.read(tmp_path)
