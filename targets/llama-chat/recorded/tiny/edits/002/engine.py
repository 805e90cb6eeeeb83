"""Runs jobs together, each in a slot of its own: one forward pass gives every running job its next token."""

import asyncio
from collections import deque
from dataclasses import dataclass

from admission import admitted
from job import Job
from model import Llama
from prefiller import Prefiller

SLOTS = 32
# Turns of the event loop between two steps: enough for a new request to be read and tokens to be sent.
LOOP_TURNS = 2


@dataclass
class Running:
    """A job in its slot: its newest token and the position at which that token stands."""

    job: Job
    token: int
    position: int


class Engine:
    """A queue of jobs before the slots of a model. One task lets jobs join, another decodes those that have."""

    def __init__(self, model: Llama, prefiller: Prefiller) -> None:
        self._model = model
        self._prefiller = prefiller
        self._waiting: deque[Job] = deque()
        self._running: dict[int, Running] = {}
        self._may_join, self._may_decode = asyncio.Event(), asyncio.Event()

    def submit(self, job: Job) -> None:
        """Queue a job; its tokens go to its sink."""
        self._waiting.append(job)
        self._may_join.set()

    async def run(self) -> None:
        """Work for as long as the server lives."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._join_forever())
            tasks.create_task(self._decode_forever())

    async def _join_forever(self) -> None:
        while True:
            await self._may_join.wait()
            self._waiting = deque(job for job in self._waiting if not job.cancelled)
            count = admitted(len(self._waiting), len(self._running), SLOTS)
            if count:
                await self._join([self._waiting.popleft() for _ in range(count)])
                await let_the_loop_turn()
            else:
                self._may_join.clear()

    async def _join(self, jobs: list[Job]) -> None:
        """Prefill jobs into the lowest free slots; they decode from then on."""
        free = [slot for slot in range(SLOTS) if slot not in self._running]
        joining = dict(zip(free, jobs, strict=False))
        tokens = await self._prefiller.first_tokens({slot: job.prompt_ids for slot, job in joining.items()})
        for (slot, job), token in zip(joining.items(), tokens, strict=True):
            if job.emit(token):
                self._running[slot] = Running(job, token, len(job.prompt_ids))
        self._may_decode.set()

    async def _decode_forever(self) -> None:
        while True:
            await self._may_decode.wait()
            self._release({slot for slot, running in self._running.items() if running.job.cancelled})
            if self._running:
                self._release(self._decode())
            else:
                self._model.reset()
                self._may_decode.clear()
            await let_the_loop_turn()

    def _release(self, slots: set[int]) -> None:
        for slot in slots:
            del self._running[slot]
        if slots:
            self._may_join.set()

    def _decode(self) -> set[int]:
        """One token for every running job; the slots of those that it was the last for.

        A row that no job runs in is computed too: at the last position, where it spoils no prompt that is coming in.
        """
        rows, last_position = max(self._running) + 1, self._model.config.context - 1
        tokens, positions = [0] * rows, [last_position] * rows
        for slot, running in self._running.items():
            tokens[slot], positions[slot] = running.token, running.position
        length = max(running.position for running in self._running.values()) + 1
        produced = self._model.decode(tokens, positions, length)
        for slot, running in self._running.items():
            running.token, running.position = produced[slot], running.position + 1
        return {slot for slot, running in self._running.items() if not running.job.emit(running.token)}


async def let_the_loop_turn() -> None:
    """Serve the sockets before the next step."""
    for _ in range(LOOP_TURNS):
        await asyncio.sleep(0)
