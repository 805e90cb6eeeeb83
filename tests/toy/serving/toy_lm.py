"""A deterministic language model made of integer arithmetic: every token depends on all that came before."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ALPHABET = "abcdefghijklmnopqrstuvwxyz .,'-\n"
PIECES = [one + other for one in ALPHABET for other in ALPHABET]
MASK = (1 << 64) - 1


class ToyModel:
    """Reads `config.json` {vocab_size, seed}. Ids decode to two characters each; prompts are their bytes."""

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        self.vocab_size: int = config["vocab_size"]
        self.seed: int = config["seed"]

    def start(self, prompt_ids: Iterable[int]) -> int:
        """The state after a prompt."""
        state = self.seed
        for token in prompt_ids:
            state = self.step(state, token)
        return state

    def step(self, state: int, token: int) -> int:
        """The state after one more token."""
        return (state * 6364136223846793005 + token * 2862933555777941757 + 3037000493) & MASK

    def logits(self, state: int) -> list[float]:
        """One logit in [0, 10) for each id."""
        base = state ^ (state >> 29)
        return [
            ((((base ^ (v * 0x9E3779B97F4A7C15)) * 0xBF58476D1CE4E5B9) & MASK) >> 32) * (10 / (1 << 32))
            for v in range(self.vocab_size)
        ]

    def greedy(self, state: int) -> int:
        """The id with the largest logit."""
        logits = self.logits(state)
        return logits.index(max(logits))


def prompt_ids(body: dict[str, Any]) -> list[int]:
    """The ids of a request's `prompt` or `messages`."""
    if "messages" in body:
        turns = "".join(f"<{turn['role']}>{turn['content']}" for turn in body["messages"])
        return list(f"{turns}<assistant>".encode())
    return list(body["prompt"].encode())


def decode(ids: Iterable[int]) -> str:
    """The text of output ids."""
    return "".join(PIECES[token] for token in ids)
