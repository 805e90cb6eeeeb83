"""Healthy, and never answers a request."""

import asyncio
from collections.abc import AsyncIterator

from toy_lm import ToyModel


class Engine:
    def __init__(self, _model: ToyModel) -> None:
        pass

    async def generate(self, _prompt: list[int], _limit: int, _stops: frozenset[int]) -> AsyncIterator[int]:
        await asyncio.sleep(3600)
        yield 0
