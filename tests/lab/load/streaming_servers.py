"""Two real servers on loopback: an honest streaming one, and one that sends exactly the bytes it is told."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
DONE = b"data: [DONE]\n\n"

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


def event(text: str = "", ids: list[int] | None = None, finish: str | None = None) -> bytes:
    choice = {"index": 0, "text": text, "token_ids": ids or [], "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def chunked(body: bytes) -> bytes:
    return f"{len(body):x}\r\n".encode() + body + b"\r\n"


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP reset instead of an orderly end."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


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
                int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
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
