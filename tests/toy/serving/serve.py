"""The toy server: OpenAI streaming over a small HTTP/1.1 of its own. The engine decides the tokens.

Usage: python serve.py --port PORT --model DIR --dtype float32
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from engine import Engine
from toy_lm import PIECES, ToyModel, prompt_ids

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: "


class Server:
    """One request a connection."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            path, body = await read_request(reader)
            if path == "/health":
                writer.write(OK + b'application/json\r\n\r\n{"status": "ok"}')
            else:
                writer.write(OK + b"text/event-stream\r\n\r\n")
                await while_wanted(reader, self.stream(path, body, writer))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def stream(self, path: str, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        stop_ids, produced = frozenset(body.get("stop_token_ids", ())), 0
        async for token in self.engine.generate(prompt_ids(body), body["max_tokens"], stop_ids):
            produced += 1
            reason = "stop" if token in stop_ids else "length" if produced == body["max_tokens"] else None
            writer.write(event(path, token, reason))
            await writer.drain()
            if reason:
                break
        writer.write(b"data: [DONE]\n\n")


async def while_wanted(reader: asyncio.StreamReader, work: Coroutine[Any, Any, None]) -> None:
    """Work until it is done or the client has gone: work for nobody would slow down those who came after."""
    working, gone = asyncio.create_task(work), asyncio.create_task(reader.read(1))
    await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
    for task in (working, gone):
        task.cancel()
    await asyncio.gather(working, gone, return_exceptions=True)


def event(path: str, token: int, reason: str | None) -> bytes:
    choice: dict[str, Any] = {"index": 0, "token_ids": [token], "finish_reason": reason}
    text = PIECES[token] if token < len(PIECES) else ""
    choice |= {"delta": {"content": text}} if "chat" in path else {"text": text}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


async def read_request(reader: asyncio.StreamReader) -> tuple[str, dict[str, Any]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    lengths = [line.split(":")[1] for line in head if line.lower().startswith("content-length:")]
    raw = await reader.readexactly(int(lengths[0]) if lengths else 0)
    return head[0].split(" ")[1], json.loads(raw) if raw else {}


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--dtype", required=True)
    arguments = parser.parse_args()
    print(f"serving in {arguments.dtype}", flush=True)
    server = Server(Engine(ToyModel(arguments.model)))
    listening = await asyncio.start_server(server.handle, "127.0.0.1", arguments.port, backlog=512)
    async with listening:
        await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
