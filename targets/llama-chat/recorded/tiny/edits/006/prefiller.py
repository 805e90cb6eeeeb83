"""Takes prompts in: in a process of its own, on another core, while the running answers go on."""

import asyncio
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

from model import Llama

Prompts = dict[int, list[int]]


class Prefiller:
    """Runs prompts into their slots. Make it before any thread is started: where the model is on a CPU it forks."""

    def __init__(self, model: Llama) -> None:
        self._prefill = forked(model) if model.device.type == "cpu" else model.prefill
        self._waits = ThreadPoolExecutor(1, "prefill")

    async def first_tokens(self, prompts: Prompts) -> list[int]:
        """The token after each prompt; its keys and values are in its slot then."""
        return await asyncio.get_running_loop().run_in_executor(self._waits, self._prefill, prompts)


def forked(model: Llama) -> Callable[[Prompts], list[int]]:
    """`model.prefill` in another process, over the cache that both share."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    context.Process(target=serve, args=(model, theirs, ours), daemon=True).start()
    theirs.close()

    def ask(prompts: Prompts) -> list[int]:
        ours.send(prompts)
        tokens: list[int] = ours.recv()
        return tokens

    return ask


def serve(model: Llama, prompts: Connection, others_end: Connection) -> None:
    """The other process: prefills what it is sent, until the server closes its end or dies."""
    others_end.close()
    while True:
        try:
            prompts.send(model.prefill(prompts.recv()))
        except (EOFError, BrokenPipeError):
            return
