"""Healthy until the first request."""

import os
from collections.abc import AsyncIterator

from toy_lm import ToyModel


class Engine:
    def __init__(self, model: ToyModel) -> None:
        self.model = model

    async def generate(self, _prompt: list[int], _limit: int, _stops: frozenset[int]) -> AsyncIterator[int]:
        print("illegal instruction", flush=True)
        os._exit(4)
        yield 0
