"""The HTTP front that the reference and the baselines share: OpenAI streaming over one generator of tokens."""

import argparse
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

import uvicorn
from contract import BadBody, Completion, parse
from snapshot import Snapshot
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from streaming import Chunks


class TokenSource(Protocol):
    """What makes the tokens of an answer."""

    def generate(self, completion: Completion) -> AsyncIterator[int]:
        """The tokens of one answer, the one that stops it included. Closing it cancels the work."""
        ...


class Endpoints:
    """The HTTP side of one source of tokens."""

    def __init__(self, snapshot: Snapshot, source: TokenSource) -> None:
        self.snapshot = snapshot
        self.source = source

    async def health(self, _request: Request) -> Response:
        """Answers as soon as the model is loaded."""
        return JSONResponse({"status": "ok"})

    async def completions(self, request: Request) -> Response:
        """POST /v1/completions and /v1/chat/completions."""
        chat = request.url.path == "/v1/chat/completions"
        try:
            completion = parse(await request.body(), chat=chat, snapshot=self.snapshot)
        except BadBody as error:
            return JSONResponse({"error": {"message": str(error)}}, status_code=400)
        return StreamingResponse(self.stream(completion, chat), media_type="text/event-stream")

    async def stream(self, completion: Completion, chat: bool) -> AsyncIterator[bytes]:
        """One server-sent event per token, then [DONE]. Leaving this generator cancels the work."""
        chunks = Chunks(chat=chat, decode=self.snapshot.decode)
        produced: list[int] = []
        async for token in self.source.generate(completion):
            produced.append(token)
            stopped = token in completion.stop_ids
            reason = "stop" if stopped else "length" if len(produced) == completion.max_tokens else None
            yield chunks.event(token, reason)
        yield b"data: [DONE]\n\n"


def application(snapshot: Snapshot, source: TokenSource) -> Starlette:
    """The three routes over one loaded snapshot."""
    endpoints = Endpoints(snapshot, source)
    return Starlette(
        routes=[
            Route("/health", endpoints.health),
            Route("/v1/completions", endpoints.completions, methods=["POST"]),
            Route("/v1/chat/completions", endpoints.completions, methods=["POST"]),
        ]
    )


def serve(description: str | None, source_over: Callable[[Snapshot], TokenSource]) -> None:
    """Read the arguments, load, then listen on loopback."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--dtype", default="float32")
    arguments = parser.parse_args()
    snapshot = Snapshot(arguments.model, arguments.dtype)
    app = application(snapshot, source_over(snapshot))
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning", access_log=False)
