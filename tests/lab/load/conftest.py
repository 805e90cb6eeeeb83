"""Two real servers on loopback: an honest streaming one, and one that sends exactly the bytes it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
DONE = b"data: [DONE]\n\n"

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


def event(text: str = "", ids: list[int] | None = None, finish: str | None = None) -> bytes:
    choice = {"index": 0, "text": text, "token_ids": ids or [], "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


@asynccontextmanager
async def raw_server(script: Script) -> AsyncIterator[str]:
    """Reads one request per connection, then lets `script` write whatever it likes."""
    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            )
            await reader.readexactly(length)
            await script(writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            handlers.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tuple(handlers):
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


class HonestServer:
    """Streams `max_tokens` tokens, `delay_s` before the first and `gap_s` between; knows who hung up."""

    def __init__(self, delay_s: float, gap_s: float) -> None:
        self.delay_s, self.gap_s = delay_s, gap_s
        self.disconnected = 0
        self.bodies: list[dict[str, Any]] = []
        self.url = ""

    async def respond(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            await asyncio.sleep(self.delay_s)
            for index in range(body["max_tokens"]):
                last = index == body["max_tokens"] - 1
                await response.write(self.chunk(request.path, index, "length" if last else None))
                await asyncio.sleep(self.gap_s)
            await response.write(DONE)
        except (ConnectionError, asyncio.CancelledError):
            self.disconnected += 1
            raise
        return response

    @staticmethod
    def chunk(path: str, index: int, finish: str | None) -> bytes:
        if not path.endswith("/chat/completions"):
            return event(f" {index}", [index], finish)
        choice = {"delta": {"content": f" {index}"}, "token_ids": [index], "finish_reason": finish}
        return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


@pytest.fixture
async def honest() -> AsyncIterator[Callable[..., Awaitable[HonestServer]]]:
    runners: list[web.AppRunner] = []

    async def start(delay_s: float = 0.0, gap_s: float = 0.0) -> HonestServer:
        server = HonestServer(delay_s, gap_s)
        app = web.Application()
        app.router.add_post("/v1/completions", server.respond)
        app.router.add_post("/v1/chat/completions", server.respond)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        runners.append(runner)
        return server

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
def raw() -> Callable[[Script], Any]:
    return raw_server
