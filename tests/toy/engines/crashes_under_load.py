"""Dies as soon as two requests are in flight."""

import asyncio
import os
from collections.abc import AsyncIterator

from toy_lm import ToyModel


class Engine:
    def __init__(self, model: ToyModel) -> None:
        self.model = model
        self.running = 0

    async def generate(self, prompt: list[int], limit: int, _stops: frozenset[int]) -> AsyncIterator[int]:
        self.running += 1
        if self.running > 1:
            print("slot table overflow", flush=True)
            os._exit(3)
        try:
            state = self.model.start(prompt)
            for _ in range(limit):
                token = self.model.greedy(state)
                state = self.model.step(state, token)
                await asyncio.sleep(0.01)
                yield token
        finally:
            self.running -= 1
