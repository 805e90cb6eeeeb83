import pytest
from judged import sample

from vibeserve.core.errors import BadRequest
from vibeserve.lab.judging import repeat
from vibeserve.lab.load import Sample

COUNT = 2 * repeat.PAIRS + 1
POOL = ["A passage about lamps, " * 20, "another one about sand. " * 20]


def samples(fresh: tuple[float, float], repeated: tuple[float, float]) -> list[Sample]:
    """Samples of the probe: (seconds to the first token, seconds from there to the last)."""
    return [
        sample(place, place * repeat.SPACING_S, *(fresh if place % 2 or not place else repeated))
        for place in range(COUNT)
    ]


def test_the_plan_repeats_one_prompt_between_fresh_ones_of_equal_length():
    sent = [request.body["prompt"] for request in repeat.plan(POOL, seed=3).requests]
    assert len(sent) == COUNT
    assert len(set(sent[0::2])) == 1
    assert len(set(sent[1::2])) == repeat.PAIRS
    assert len({len(prompt) for prompt in sent}) == 1
    assert len({prompt[:8] for prompt in sent}) == repeat.PAIRS + 1


def test_the_plan_depends_on_its_seed_alone():
    assert repeat.plan(POOL, seed=3) == repeat.plan(POOL, seed=3)
    assert repeat.plan(POOL, seed=3) != repeat.plan(POOL, seed=4)


def test_equal_times_pass():
    stage = repeat.judge(samples((0.01, 0.1), (0.01, 0.103)))
    assert stage.passed
    assert stage.measured["decode_ratio"] == pytest.approx(1.03)


def test_stored_answers_fail():
    stage = repeat.judge(samples((0.01, 0.1), (0.001, 1e-5)))
    assert stage.status == "failed"
    assert "permits no reuse" in stage.feedback


def test_a_replay_that_delays_its_first_token_fails_by_its_decode_time():
    stage = repeat.judge(samples((0.01, 0.1), (0.11, 1e-5)))
    assert stage.status == "failed"
    assert stage.measured["total_ratio"] == pytest.approx(1.0, abs=0.01)


def test_a_server_that_sends_whole_answers_is_judged_by_total_time():
    honest = repeat.judge(samples((0.1, 0.0), (0.1, 0.0)))
    assert honest.passed
    assert "decode_ratio" not in honest.measured
    assert repeat.judge(samples((0.1, 0.0), (0.001, 0.0))).status == "failed"


def test_one_slow_moment_does_not_decide():
    probed = samples((0.01, 0.1), (0.01, 0.1))
    probed[1] = sample(1, 0.3, 0.01, 9.0)
    assert repeat.judge(probed).passed


def test_a_stream_that_does_not_complete_fails():
    probed = samples((0.01, 0.1), (0.01, 0.1))
    probed[4] = probed[4].model_copy(update={"error": "reset"})
    assert "1 of 15 streams did not complete" in repeat.judge(probed).feedback


@pytest.mark.parametrize("given", [0, 1, repeat.OUTPUT_TOKENS - 1])
def test_a_whole_stream_with_too_few_ids_fails_and_breaks_nothing(given):
    probed = samples((0.01, 0.1), (0.01, 0.1))
    short = {"token_ids": probed[3].token_ids[:given], "token_s": probed[3].token_s[:given]}
    probed[3] = probed[3].model_copy(update=short)
    stage = repeat.judge(probed)
    assert stage.status == "failed"
    assert "1 of 15 answers do not carry max_tokens token ids" in stage.feedback


def test_samples_of_another_plan_are_refused():
    with pytest.raises(BadRequest):
        repeat.judge(samples((0.01, 0.1), (0.01, 0.1))[:-1])
