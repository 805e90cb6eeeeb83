"""Runs jobs one after the other, between the turns of the event loop."""

import asyncio

from job import Job
from model import Llama

# Turns of the event loop between two steps: enough for a new request to be read and tokens to be sent.
LOOP_TURNS = 2


class Engine:
    """A queue of jobs before a model that holds one sequence."""

    def __init__(self, model: Llama) -> None:
        self._model = model
        self._waiting: asyncio.Queue[Job] = asyncio.Queue()

    def submit(self, job: Job) -> None:
        """Queue a job; its tokens go to its sink."""
        self._waiting.put_nowait(job)

    async def run(self) -> None:
        """Work for as long as the server lives."""
        while True:
            await self._answer(await self._waiting.get())

    async def _answer(self, job: Job) -> None:
        """Prefill, then decode token by token until the answer ends or its client has gone."""
        ids, position = job.prompt_ids, 0
        while not job.cancelled:
            token = self._model.next_token(ids, position)
            position += len(ids)
            ids = [token]
            if not job.emit(token):
                return
            await let_the_loop_turn()


async def let_the_loop_turn() -> None:
    """Serve the sockets before the next step."""
    for _ in range(LOOP_TURNS):
        await asyncio.sleep(0)
