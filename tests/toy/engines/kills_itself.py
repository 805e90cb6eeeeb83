"""Kills itself with SIGKILL on every request, which from outside looks as if somebody else had done it."""

import os
import signal
from collections.abc import AsyncIterator

from toy_lm import ToyModel


class Engine:
    def __init__(self, _model: ToyModel) -> None:
        pass

    async def generate(self, _prompt: list[int], _limit: int, _stops: frozenset[int]) -> AsyncIterator[int]:
        os.kill(os.getpid(), signal.SIGKILL)
        yield 0
