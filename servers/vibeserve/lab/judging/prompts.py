"""Hidden prompts: drawn per gate call by the server, ragged, staggered, unknown until they are sent."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from vibeserve.core.errors import BadRequest
from vibeserve.lab.judging.answers import CHAT_PATH, COMPLETIONS_PATH
from vibeserve.lab.load import Plan, Request

ARRIVALS_PER_S = 40.0
ALONE_REQUESTS = 3
ALONE_SPACING_S = 0.5
STOP_IDS = 64
# A rough length of a token in English text; lengths need to be ragged, not exact.
CHARACTERS_PER_TOKEN = 3
NONCE_WORDS = 2
SYLLABLES = tuple(consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou")


class DrawSpec(Protocol):
    """The part of a target's [numeric] table that shapes the prompts; ranges are inclusive."""

    @property
    def prompts(self) -> int:
        """How many requests: more than any candidate has slots."""

    @property
    def prompt_tokens(self) -> tuple[int, int]:
        """About how long the prompts are."""

    @property
    def output_tokens(self) -> tuple[int, int]:
        """The limits of new tokens."""


def read_pool(path: Path) -> list[str]:
    """The passages of a pool: JSON lines of {"text": …}. Raises BadRequest for anything else."""
    try:
        return [str(json.loads(line)["text"]) for line in path.read_text().splitlines() if line.strip()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadRequest(
            f"{path} is not a prompt pool.", 'Each line must be a JSON object such as {"text": "…"}.'
        ) from error


def draw(pool: Sequence[str], spec: DrawSpec, *, seed: int, vocabulary: int) -> Plan:
    """Requests to be judged: the first few alone, the rest in a Poisson stream that shares slots.

    Each prompt is a slice of a passage of `pool` behind random words; completions and chat are mixed;
    about half carry random stop ids, so that answers end at uneven lengths. `vocabulary` is the number
    of token ids. The same arguments give the same plan. Raises BadRequest for a pool without text.
    """
    generator = random.Random(seed)  # noqa: S311  (reproducible from the record; the seed is secret)
    arrivals = _arrivals(generator, spec.prompts)
    requests = tuple(
        _request(generator, at_s, text(generator, pool, spec.prompt_tokens), spec, vocabulary) for at_s in arrivals
    )
    return Plan(requests=requests, window_s=arrivals[-1] + 0.1)


def text(generator: random.Random, pool: Sequence[str], tokens: tuple[int, int]) -> str:
    """A fresh prompt: random words, then a slice of a random passage at a random offset."""
    passages = [passage for passage in pool if passage.strip()]
    if not passages:
        raise BadRequest("The prompt pool holds no text.", "Put one passage per line into the target's pool.")
    passage = generator.choice(passages)
    start = generator.randrange(len(passage))
    length = generator.randint(*tokens) * CHARACTERS_PER_TOKEN
    # Read round the end, so that a short passage still gives the length that was drawn.
    endless = passage[start:] + " " + passage * (length // len(passage) + 1)
    return f"{nonce(generator)} {endless}"[:length]


def nonce(generator: random.Random) -> str:
    """Random pronounceable words that no earlier prompt began with (70^6 possibilities)."""
    return " ".join("".join(generator.choices(SYLLABLES, k=3)) for _ in range(NONCE_WORDS))


def _arrivals(generator: random.Random, count: int) -> list[float]:
    alone = [index * ALONE_SPACING_S for index in range(min(ALONE_REQUESTS, count))]
    arrivals, at_s = alone, len(alone) * ALONE_SPACING_S
    while len(arrivals) < count:
        at_s += generator.expovariate(ARRIVALS_PER_S)
        arrivals.append(at_s)
    return arrivals


def _request(generator: random.Random, at_s: float, prompt: str, spec: DrawSpec, vocabulary: int) -> Request:
    body: dict[str, Any] = {
        "max_tokens": generator.randint(*spec.output_tokens),
        "temperature": 0,
        "stream": True,
        "return_token_ids": True,
    }
    if generator.random() < 0.5:
        body["stop_token_ids"] = generator.sample(range(vocabulary), min(STOP_IDS, vocabulary // 2))
    if generator.random() < 0.5:
        body["messages"] = [{"role": "user", "content": prompt}]
        return Request(at_s=at_s, path=CHAT_PATH, body=body)
    body["prompt"] = prompt
    return Request(at_s=at_s, path=COMPLETIONS_PATH, body=body)
