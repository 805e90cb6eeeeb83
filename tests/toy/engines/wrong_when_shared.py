"""A stale slot: right for a request alone, wrong for one admitted while another runs."""

import asyncio
from collections.abc import AsyncIterator

from toy_lm import ToyModel


class Engine:
    def __init__(self, model: ToyModel) -> None:
        self.model = model
        self.running = 0

    async def generate(self, prompt: list[int], limit: int, _stops: frozenset[int]) -> AsyncIterator[int]:
        stale = self.running > 0
        self.running += 1
        try:
            state = self.model.start(prompt)
            for place in range(limit):
                token = self.model.greedy(state)
                if stale and place == 2:
                    token = (token + 1) % self.model.vocab_size
                state = self.model.step(state, token)
                await asyncio.sleep(0.002)
                yield token
        finally:
            self.running -= 1
