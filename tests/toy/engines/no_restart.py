"""Starts once: it binds without SO_REUSEADDR, and its self-test leaves the port in TIME_WAIT."""

import asyncio

import honest
from toy_lm import ToyModel

start_server = asyncio.start_server


class Engine(honest.Engine):
    def __init__(self, model: ToyModel) -> None:
        super().__init__(model)
        asyncio.start_server = start_and_test_itself


async def start_and_test_itself(handle: object, host: str, port: int, **options: object) -> asyncio.Server:
    listening = await start_server(handle, host, port, reuse_address=False, **options)
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /health HTTP/1.1\r\n\r\n")
    await reader.read()  # to the end: the server closes first
    writer.close()
    return listening
