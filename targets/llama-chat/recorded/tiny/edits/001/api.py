"""The HTTP interface: OpenAI completions and chat completions, streamed with token ids."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import body
from engine import Engine
from job import Job
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from text import Text


class Endpoints:
    """Turns requests into jobs and their tokens into server-sent events."""

    def __init__(self, engine: Engine, text: Text) -> None:
        self.engine = engine
        self.text = text

    async def health(self, _request: Request) -> Response:
        """Ready as soon as anything is answered at all."""
        return JSONResponse({"status": "ok"})

    async def complete(self, request: Request) -> Response:
        """POST /v1/completions and /v1/chat/completions."""
        chat = request.url.path == "/v1/chat/completions"
        try:
            job = self.job(await request.body(), chat)
        except body.BadBody as error:
            return JSONResponse({"error": {"message": str(error)}}, status_code=400)
        return StreamingResponse(self.events(job, chat), media_type="text/event-stream")

    def job(self, raw: bytes, chat: bool) -> Job:
        """What a body asks for; raises BadBody."""
        asked = body.read(raw, chat=chat)
        ids = self.text.chat_ids(asked.messages) if chat else self.text.completion_ids(asked.prompt)
        if len(ids) + asked.max_tokens > self.text.context:
            raise body.BadBody(f"Prompt and answer must fit in {self.text.context} tokens.")
        return Job(ids, asked.max_tokens, asked.stop_ids | (frozenset() if asked.ignore_eos else self.text.eos_ids))

    async def events(self, job: Job, chat: bool) -> AsyncIterator[bytes]:
        """One event per token, then [DONE]. A client that leaves takes its job with it."""
        detokenizer = self.text.detokenizer()
        self.engine.submit(job)
        try:
            reason = None
            while reason is None:
                token, reason = await job.tokens.get()
                yield event(token, detokenizer.push(token, last=reason is not None), reason, chat)
            yield b"data: [DONE]\n\n"
        finally:
            job.cancelled = True


def event(token: int, text: str, reason: str | None, chat: bool) -> bytes:
    """One chunk in OpenAI's shape, with the token's id."""
    choice: dict[str, Any] = {"index": 0, "token_ids": [token], "finish_reason": reason}
    choice |= {"delta": {"content": text}} if chat else {"text": text}
    kind = "chat.completion.chunk" if chat else "text_completion"
    return b"data: " + json.dumps({"object": kind, "choices": [choice]}).encode() + b"\n\n"


def application(engine: Engine, text: Text) -> Starlette:
    """The routes; the engine runs as long as the server does."""
    endpoints = Endpoints(engine, text)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with engine.running():
            yield

    return Starlette(
        routes=[
            Route("/health", endpoints.health),
            Route("/v1/completions", endpoints.complete, methods=["POST"]),
            Route("/v1/chat/completions", endpoints.complete, methods=["POST"]),
        ],
        lifespan=lifespan,
    )
