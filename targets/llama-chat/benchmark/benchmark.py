"""Measures a running server: open-loop Poisson load, one window for each rate.

Usage: python -I benchmark.py --url URL --model DIR --seed N --load load_tiny.json --out result.json
Prompts are drawn from the seed and are therefore new for each measurement. Result:
{"headline": figures of the highest rate, "rates": {"32": figures, ...},
 "samples": the timed requests of all rates whose tokens count, for judging afterwards}
A server that stops answering has lost: its headline is {"served": false, "reason": ..., "tokens_per_s": 0}.
"""

import argparse
import asyncio
import json
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from vibeserve.lab.load import Plan, Request, Sample, Summary, drive, poisson, summarize

POOL = Path(__file__).resolve().parent / "prompts.jsonl"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
# A server is idle when this many lone requests of one token in a row take hardly longer than the fastest:
# up to three times as long, or this much longer, which is a moment of the machine and not a queue.
IDLE_ANSWERS = 3
IDLE_JITTER_S = 0.05


@dataclass(frozen=True)
class Load:
    """One load file: rates in requests/s, windows in seconds, inclusive prompt lengths in tokens.

    `idle_within_s`: the time after a window in which a server must be through with it and answer alone.
    """

    rates_per_s: list[float]
    window_s: float
    warmup_s: float
    prompt_tokens: tuple[int, int]
    output_tokens: int
    idle_within_s: float = 25.0


class NotServed(Exception):
    """The server no longer does what it is there for; the message says what was seen."""


class Prompts:
    """Prompts of a known number of tokens: random letters, then a random slice of the pool."""

    def __init__(self, model: Path, seed: int) -> None:
        self.generator = random.Random(seed)
        self._tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        pool = " ".join(json.loads(line)["text"] for line in POOL.read_text().splitlines())
        self._pool = pool
        self._offsets = self._tokenizer.encode(pool, add_special_tokens=False).offsets

    def draw(self, tokens: tuple[int, int]) -> str:
        """A prompt of about `tokens` tokens that no earlier prompt began with."""
        nonce = "".join(self.generator.choices(LETTERS, k=8))
        nonce_tokens = len(self._tokenizer.encode(nonce).ids)
        count = max(1, self.generator.randint(*tokens) - nonce_tokens)
        first = self.generator.randrange(len(self._offsets) - count)
        start, end = self._offsets[first][0], self._offsets[first + count - 1][1]
        return f"{nonce}{self._pool[start:end]}"


def window(prompts: Prompts, load: Load, rate_per_s: float, window_s: float) -> Plan:
    """Poisson arrivals of fresh prompts, completions and chat in turn, each to its full length."""
    arrivals = poisson(rate_per_s, window_s, seed=prompts.generator.randrange(2**32))
    return Plan(
        requests=tuple(
            request(at_s, prompts.draw(load.prompt_tokens), load.output_tokens, chat=place % 2 == 1)
            for place, at_s in enumerate(arrivals)
        ),
        window_s=window_s,
    )


def request(at_s: float, prompt: str, max_tokens: int, *, chat: bool) -> Request:
    """A greedy streaming request that runs to `max_tokens`."""
    body: dict[str, Any] = {
        "max_tokens": max_tokens,
        "temperature": 0,
        "stream": True,
        "return_token_ids": True,
        "ignore_eos": True,
    }
    if chat:
        body["messages"] = [{"role": "user", "content": prompt}]
        return Request(at_s=at_s, path="/v1/chat/completions", body=body)
    return Request(at_s=at_s, path="/v1/completions", body=body | {"prompt": prompt})


def wait_until_idle(url: str, prompts: Prompts, within_s: float) -> None:
    """Return once lone requests are answered steadily: nothing of an earlier window is still running.

    Raises NotServed when that takes longer than `within_s`: the server hangs, or goes on working for clients that
    have left.
    """
    deadline = time.monotonic() + within_s
    times_s: list[float] = []
    while (left_s := deadline - time.monotonic()) > 0:
        plan = Plan(requests=(request(0.0, prompts.draw((16, 16)), 1, chat=False),), window_s=1e-3)
        [sample] = asyncio.run(drive(url, plan, drain_s=left_s))
        if not sample.completed or sample.finished_s is None:
            raise NotServed(
                f"a lone request was not answered, {within_s - left_s:.1f} s after all others had ended or left "
                f"({sample.error} {sample.detail[:100]})"
            )
        times_s.append(sample.finished_s - sample.at_s)
        recent = times_s[-IDLE_ANSWERS:]
        if len(recent) == IDLE_ANSWERS and max(recent) - min(times_s) <= max(2 * min(times_s), IDLE_JITTER_S):
            return
    raise NotServed(f"lone requests were not answered steadily within {within_s:g} s after all others had left")


def answered(plan: Plan, samples: list[Sample]) -> list[dict[str, Any]]:
    """The requests of a window whose tokens count, with what they received.

    Those that the end of the window cut off are among them, with finish_reason null: a server must not be able
    to hide wrong tokens in them.
    """
    return [
        {
            "endpoint": "chat" if "messages" in asked.body else "completions",
            **{key: asked.body[key] for key in ("prompt", "messages") if key in asked.body},
            "max_tokens": asked.body["max_tokens"],
            "ignore_eos": True,
            "token_ids": sample.token_ids,
            "text": sample.text,
            "finish_reason": sample.finish_reason,
        }
        for asked, sample in zip(plan.requests, samples, strict=True)
        if sample.token_ids and (sample.completed or sample.error == "cancelled_at_cutoff")
    ]


def timed(url: str, prompts: Prompts, load: Load, rate_per_s: float) -> tuple[Summary, list[dict[str, Any]]]:
    """Measure one window on an idle server, and see that it recovers from it."""
    plan = window(prompts, load, rate_per_s, load.window_s)
    samples = asyncio.run(drive(url, plan))
    wait_until_idle(url, prompts, load.idle_within_s)
    return summarize(samples, load.window_s), answered(plan, samples)


def warm_up(url: str, prompts: Prompts, load: Load) -> None:
    """Serve for a moment at the highest rate, untimed: what is made on first use, at any batch size, is made then."""
    if load.warmup_s:
        asyncio.run(drive(url, window(prompts, load, max(load.rates_per_s), load.warmup_s)))
    wait_until_idle(url, prompts, load.idle_within_s)


def measure(url: str, prompts: Prompts, load: Load) -> dict[str, Any]:
    """The result: every rate of the load, lowest first, as far as the server serves."""
    rates: dict[str, dict[str, Any]] = {}
    samples: list[dict[str, Any]] = []
    stage = "while warming up"
    try:
        warm_up(url, prompts, load)
        for rate_per_s in sorted(load.rates_per_s):
            stage = f"at {rate_per_s:g} requests/s"
            summary, answers = timed(url, prompts, load, rate_per_s)
            samples += answers
            rates[f"{rate_per_s:g}"] = summary.model_dump() | {"rate_per_s": rate_per_s}
    except NotServed as lost:
        reason = f"{stage}: {lost}"
        return {"headline": {"served": False, "reason": reason, "tokens_per_s": 0.0}, "rates": rates, "samples": []}
    return {"headline": rates[f"{max(load.rates_per_s):g}"], "rates": rates, "samples": samples}


def main() -> None:
    """Write the result; the exit status says only whether the benchmark itself worked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--load", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    document = json.loads(arguments.load.read_text())
    load = Load(**document | {"prompt_tokens": tuple(document["prompt_tokens"])})
    prompts = Prompts(arguments.model, arguments.seed)
    arguments.out.write_text(json.dumps(measure(arguments.url, prompts, load)))


if __name__ == "__main__":
    main()
