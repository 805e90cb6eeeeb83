"""The reuse probe: where a target permits no reuse, a repeated prompt must cost what a fresh one costs.

An honest server takes the same time for both (measured ratio 1.03); one that replays stored answers
takes 0.0001 of it. Decode time, from the first token to the last, is the sharper of the two figures.
"""

import random
import statistics
from collections.abc import Sequence

from vibeserve.core.errors import BadRequest
from vibeserve.lab.judging.answers import COMPLETIONS_PATH
from vibeserve.lab.judging.prompts import nonce
from vibeserve.lab.judging.stage import Stage
from vibeserve.lab.load import Plan, Request, Sample

PAIRS = 7
SPACING_S = 0.3
OUTPUT_TOKENS = 32
PASSAGE_CHARACTERS = 180
MIN_RATIO = 0.4
# Below this, decode time is the width of one network write and says nothing: tokens came in a burst.
MIN_DECODE_S = 1e-3


def plan(pool: Sequence[str], *, seed: int) -> Plan:
    """Fresh and repeated prompts of equal length in turn, one at a time, after one that fills a cache.

    Request 0 is the first sight of the repeated prompt; then odd places are fresh and even ones repeat.
    """
    generator = random.Random(seed)  # noqa: S311  (reproducible from the record; the seed is secret)
    passage = (generator.choice(pool) + " ") * PASSAGE_CHARACTERS
    repeated = f"{nonce(generator)} {passage[:PASSAGE_CHARACTERS]}"
    prompts = [repeated]
    for _ in range(PAIRS):
        prompts += [f"{nonce(generator)} {passage[:PASSAGE_CHARACTERS]}", repeated]
    requests = tuple(_request(place * SPACING_S, prompt) for place, prompt in enumerate(prompts))
    return Plan(requests=requests, window_s=len(prompts) * SPACING_S)


def judge(samples: Sequence[Sample], *, name: str = "repeat") -> Stage:
    """Judge the samples of `plan`: neither decode nor total time of repeats may fall below MIN_RATIO."""
    if len(samples) != 2 * PAIRS + 1:
        raise BadRequest("These samples are not those of the reuse probe's plan.", "Drive repeat.plan first.")
    fresh, repeats = samples[1::2], samples[2::2]
    fault = _fault(samples)
    if fault:
        return Stage(name=name, status="failed", feedback=fault)
    ratios = {"total_ratio": _ratio([_total_s(s) for s in repeats], [_total_s(s) for s in fresh])}
    if statistics.median(_decode_s(sample) for sample in fresh) >= MIN_DECODE_S:
        ratios["decode_ratio"] = _ratio([_decode_s(s) for s in repeats], [_decode_s(s) for s in fresh])
    return _stage(name, ratios)


def _fault(samples: Sequence[Sample]) -> str:
    """What is wrong with the streams themselves: only whole answers of full length have times to compare."""
    broken = sum(not sample.completed for sample in samples)
    if broken:
        return f"{broken} of {len(samples)} streams did not complete."
    short = sum(len(sample.token_ids) != OUTPUT_TOKENS for sample in samples)
    if short:
        return f"{short} of {len(samples)} answers do not carry max_tokens token ids, though ignore_eos was asked for."
    return ""


def _stage(name: str, ratios: dict[str, float]) -> Stage:
    reused = min(ratios.values()) < MIN_RATIO
    return Stage(
        name=name,
        status="failed" if reused else "passed",
        measured={**ratios, "pairs": PAIRS},
        threshold={"min_ratio": MIN_RATIO},
        feedback=(
            f"A repeated prompt takes {min(ratios.values()):.3f} of the time of a fresh one of equal length. "
            "This target permits no reuse between requests: compute every answer anew."
            if reused
            else ""
        ),
    )


def _request(at_s: float, prompt: str) -> Request:
    body = {
        "prompt": prompt,
        "max_tokens": OUTPUT_TOKENS,
        "temperature": 0,
        "stream": True,
        "return_token_ids": True,
        "ignore_eos": True,
    }
    return Request(at_s=at_s, path=COMPLETIONS_PATH, body=body)


def _total_s(sample: Sample) -> float:
    """From sending to the last token."""
    return sample.token_s[-1] - (sample.sent_s if sample.sent_s is not None else sample.at_s)


def _decode_s(sample: Sample) -> float:
    """From the first token to the last."""
    return sample.token_s[-1] - sample.token_s[0]


def _ratio(repeats: Sequence[float], fresh: Sequence[float]) -> float:
    return statistics.median(repeats) / max(statistics.median(fresh), 1e-9)
