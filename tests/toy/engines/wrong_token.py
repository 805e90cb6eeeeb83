"""Always wrong: the first token is that of another prompt."""

from collections.abc import AsyncIterator

from toy_lm import ToyModel


class Engine:
    def __init__(self, model: ToyModel) -> None:
        self.model = model

    async def generate(self, prompt: list[int], limit: int, _stops: frozenset[int]) -> AsyncIterator[int]:
        state = self.model.start(prompt[1:])
        for _ in range(limit):
            token = self.model.greedy(state)
            state = self.model.step(state, token)
            yield token
