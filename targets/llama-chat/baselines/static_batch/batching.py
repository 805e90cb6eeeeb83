"""Static batches: who waits when one begins is in it, and it runs until the last of them has ended."""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import torch
from contract import Completion
from decoding import Sequences, joined, prefill, step
from snapshot import Snapshot

ROWS = 32
# Prompts of like length are computed together: padding a batch to its longest prompt costs a fifth of its throughput.
GROUP_ROWS = 8

Item = int | Exception | None


@dataclass(eq=False)
class Row:
    """One request in a batch: what it asks for and where its tokens go. `ended` also when its client has left."""

    completion: Completion
    loop: asyncio.AbstractEventLoop
    tokens: asyncio.Queue[Item] = field(default_factory=asyncio.Queue)
    produced: int = 0
    ended: bool = False

    def take(self, token: int) -> list[tuple["Row", Item]]:
        """What its client gets for the next token: nothing after the end, None behind the last one."""
        if self.ended:
            return []
        self.produced += 1
        self.ended = token in self.completion.stop_ids or self.produced == self.completion.max_tokens
        return [(self, token), (self, None)] if self.ended else [(self, token)]


class Batcher:
    """A queue of requests before one model that works on a batch of them at a time."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._model = snapshot.model
        self._waiting: queue.SimpleQueue[Row] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    async def generate(self, completion: Completion) -> AsyncIterator[int]:
        """The tokens of one answer, the one that stops it included. Closing it cancels the work."""
        row = Row(completion, asyncio.get_running_loop())
        self._waiting.put(row)
        try:
            while (item := await row.tokens.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            row.ended = True

    def _work(self) -> None:
        """In the worker thread, for ever: batch after batch. What goes wrong is handed to those who asked."""
        while True:
            rows = self._next_batch()
            try:
                self._decode(rows)
            except Exception as error:  # handed to the requests of this batch
                hand_out([(row, error) for row in rows if not row.ended])

    def _next_batch(self) -> list[Row]:
        """All that wait, up to ROWS, without those whose client has left; waits for the first."""
        rows: list[Row] = []
        while not rows or (len(rows) < ROWS and not self._waiting.empty()):
            row = self._waiting.get()
            if not row.ended:
                rows.append(row)
        return rows

    @torch.inference_mode()
    def _decode(self, rows: list[Row]) -> None:
        """Run one batch until its last row has ended."""
        rows, batch = self._prefill(rows)
        while batch is not None and not all(row.ended for row in rows):
            batch = step(self._model, batch)
            hand_out(items_of(rows, batch))

    def _prefill(self, rows: list[Row]) -> tuple[list[Row], Sequences | None]:
        """The first token of every row, in groups of like length; rows whose client has left meanwhile are dropped."""
        ordered = sorted(rows, key=lambda row: len(row.completion.prompt_ids))
        kept: list[Row] = []
        groups: list[Sequences] = []
        for first in range(0, len(ordered), GROUP_ROWS):
            group = [row for row in ordered[first : first + GROUP_ROWS] if not row.ended]
            if group:
                groups.append(prefill(self._model, [row.completion.prompt_ids for row in group]))
                hand_out(items_of(group, groups[-1]))
                kept += group
        return kept, joined(self._model, groups) if groups else None


def items_of(rows: list[Row], batch: Sequences) -> list[tuple[Row, Item]]:
    """What the clients get for the newest token of each row."""
    return [item for row, token in zip(rows, batch.tokens(), strict=True) for item in row.take(token)]


def hand_out(items: list[tuple[Row, Item]]) -> None:
    """Give every row its items, with one call into the event loop for all of them."""
    if items:
        items[0][0].loop.call_soon_threadsafe(_put, items)


def _put(items: list[tuple[Row, Item]]) -> None:
    for row, item in items:
        row.tokens.put_nowait(item)
