"""Greedy decoding by `generate` of Transformers: one request at a time, tokens handed out as they come."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from contract import Completion
from snapshot import Snapshot
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

Emit = Callable[[int | Exception | None], None]


class Emitter(BaseStreamer):
    """Passes on each new token; the first call brings the prompt, which is not an answer."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        """Called by `generate` with the prompt once, then with each token."""
        if self._prompt_seen:
            self._emit(int(value[0]))
        self._prompt_seen = True

    def end(self) -> None:
        """Called by `generate` after the last token."""


class Cancelled(StoppingCriteria):
    """Stops `generate` once its client has gone."""

    def __init__(self, gone: threading.Event) -> None:
        self._gone = gone

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        """One flag per sequence of the batch."""
        return torch.full((input_ids.shape[0],), self._gone.is_set(), device=input_ids.device)


class Generator:
    """A queue of requests before one model."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._model = snapshot.model
        # The model's own defaults (sampling, ids that end an answer) must not reach a request.
        self._model.generation_config = GenerationConfig()
        self._worker = ThreadPoolExecutor(max_workers=1)

    async def generate(self, completion: Completion) -> AsyncIterator[int]:
        """The tokens of one answer, the one that stops it included. Closing it cancels the work."""
        loop = asyncio.get_running_loop()
        tokens: asyncio.Queue[int | Exception | None] = asyncio.Queue()
        gone = threading.Event()

        def emit(item: int | Exception | None) -> None:
            if not gone.is_set():
                loop.call_soon_threadsafe(tokens.put_nowait, item)

        work = self._worker.submit(self._run, completion, emit, gone)
        try:
            while (item := await tokens.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            gone.set()
            work.cancel()

    def _run(self, completion: Completion, emit: Emit, gone: threading.Event) -> None:
        """In the worker thread: everything that `generate` does, ended by None or by what went wrong."""
        try:
            self._decode(completion, emit, gone)
        except Exception as error:  # handed to the request that asked
            emit(error)
        emit(None)

    @torch.inference_mode()
    def _decode(self, completion: Completion, emit: Emit, gone: threading.Event) -> None:
        prompt = torch.tensor([completion.prompt_ids], device=self._model.device)
        self._model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            generation_config=GenerationConfig(
                max_new_tokens=completion.max_tokens,
                do_sample=False,
                eos_token_id=sorted(completion.stop_ids) or None,
                pad_token_id=0,
            ),
            streamer=Emitter(emit),
            stopping_criteria=StoppingCriteriaList([Cancelled(gone)]),
        )
