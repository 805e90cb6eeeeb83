"""The reference server: Hugging Face Transformers, one request at a time, OpenAI streaming over HTTP.

Usage: python serve.py --port PORT --model DIR --dtype float32
It is the definition of correct, not of fast. The contract is written out in ../OBJECTIVE.md.
"""

import argparse
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from contract import BadBody, Completion, parse
from generation import Generator
from snapshot import Snapshot
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from streaming import Chunks


class Endpoints:
    """The HTTP side of one generator."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.generator = Generator(snapshot)

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
        async for token in self.generator.generate(completion):
            produced.append(token)
            stopped = token in completion.stop_ids
            reason = "stop" if stopped else "length" if len(produced) == completion.max_tokens else None
            yield chunks.event(token, reason)
        yield b"data: [DONE]\n\n"


def application(snapshot: Snapshot) -> Starlette:
    """The three routes over one loaded snapshot."""
    endpoints = Endpoints(snapshot)
    return Starlette(
        routes=[
            Route("/health", endpoints.health),
            Route("/v1/completions", endpoints.completions, methods=["POST"]),
            Route("/v1/chat/completions", endpoints.completions, methods=["POST"]),
        ]
    )


def main() -> None:
    """Load, then listen on loopback."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--dtype", default="float32")
    arguments = parser.parse_args()
    app = application(Snapshot(arguments.model, arguments.dtype))
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
