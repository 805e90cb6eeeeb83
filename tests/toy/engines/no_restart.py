"""Starts once: its port stays in TIME_WAIT, since the socket is bound without SO_REUSEADDR."""

import asyncio
import functools

import honest
from toy_lm import ToyModel


class Engine(honest.Engine):
    def __init__(self, model: ToyModel) -> None:
        super().__init__(model)
        asyncio.start_server = functools.partial(asyncio.start_server, reuse_address=False)
