"""Continuous batching: jobs join and leave between steps, each in a slot of its own."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from job import Job
from model import Llama

SLOTS = 32
# Prompts taken in before the running answers get their next token: bounds the stall that joining causes.
PREFILLS_PER_STEP = 4
# Turns of the event loop between two steps: enough for a new request to be read and tokens to be sent.
LOOP_TURNS = 6


@dataclass
class Running:
    """A job in its slot: its newest token and the position at which that token stands."""

    job: Job
    token: int
    position: int


class Engine:
    """A queue of jobs before the slots of a model."""

    def __init__(self, model: Llama) -> None:
        self._model = model
        self._waiting: deque[Job] = deque()
        self._running: dict[int, Running] = {}
        self._work = asyncio.Event()

    def submit(self, job: Job) -> None:
        """Queue a job; its tokens appear in `job.tokens`."""
        self._waiting.append(job)
        self._work.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work in the background while the context is open."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            await self._work.wait()
            self._release_cancelled()
            self._admit()
            if self._running:
                self._decode()
            if not self._waiting and not self._running:
                self._work.clear()
            await let_the_loop_turn()

    def _release_cancelled(self) -> None:
        for slot in [slot for slot, running in self._running.items() if running.job.cancelled]:
            del self._running[slot]
        self._waiting = deque(job for job in self._waiting if not job.cancelled)

    def _admit(self) -> None:
        """Prefill waiting jobs into the lowest free slots."""
        free = [slot for slot in range(SLOTS) if slot not in self._running]
        for slot in free[: min(PREFILLS_PER_STEP, len(self._waiting))]:
            job = self._waiting.popleft()
            token = self._model.prefill(job.prompt_ids, slot)
            if job.emit(token):
                self._running[slot] = Running(job, token, len(job.prompt_ids))

    def _decode(self) -> None:
        """One token for every running job."""
        rows = max(self._running) + 1
        tokens, positions = [0] * rows, [0] * rows
        for slot, running in self._running.items():
            tokens[slot], positions[slot] = running.token, running.position
        produced = self._model.decode(tokens, positions)
        for slot, running in list(self._running.items()):
            running.token, running.position = produced[slot], running.position + 1
            if not running.job.emit(running.token):
                del self._running[slot]


async def let_the_loop_turn() -> None:
    """Serve the sockets before the next step."""
    for _ in range(LOOP_TURNS):
        await asyncio.sleep(0)
