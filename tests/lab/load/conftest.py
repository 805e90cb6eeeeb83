"""Real servers on loopback, started inside the test's event loop."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from streaming_servers import HonestServer, Script, raw_server


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
