"""Open-loop load: every request leaves at its intended time, whatever the others do."""

import asyncio
import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vibeserve.core.errors import BadRequest
from vibeserve.lab.load.pacing import paced
from vibeserve.lab.load.plan import Plan, Request
from vibeserve.lab.load.sample import Failure, Sample
from vibeserve.lab.load.stream import Recorder, stream

if TYPE_CHECKING:
    import aiohttp

# Between preparing the requests and the start of the plan, so that the first is not late.
LEAD_S = 0.005
LEAD_PER_REQUEST_S = 0.0002
KEEPALIVE_S = 2.0  # shorter than the usual server's 5 s, so that we never send into a closing connection


async def drive(url: str, plan: Plan, *, drain_s: float = 0.0) -> list[Sample]:
    """Send `plan` to the server at `url`; one sample per request, in the plan's order.

    At the cut-off (`plan.window_s`) requests in flight are cancelled and their connections closed. With
    `drain_s` > 0 they may finish first, for at most so many seconds. Raises BadRequest for a bad URL.
    """
    base = _base_url(url)
    bodies = [json.dumps(request.body).encode() for request in plan.requests]
    recorders = [Recorder(index, asked.at_s, _max_tokens(asked)) for index, asked in enumerate(plan.requests)]
    loop = asyncio.get_running_loop()
    async with _session() as session:
        start = loop.time() + LEAD_S + LEAD_PER_REQUEST_S * len(plan.requests)

        def now_s() -> float:
            return loop.time() - start

        async def send(turn: "asyncio.Future[None]", recorder: Recorder, path: str, body: bytes) -> None:
            await turn
            await stream(session, base + path, body, recorder, now_s)

        with _collector_paused(), paced([start + request.at_s for request in plan.requests]) as turns:
            tasks = [
                asyncio.create_task(send(turn, recorder, request.path, body))
                for turn, recorder, request, body in zip(turns, recorders, plan.requests, bodies, strict=True)
            ]
            await _finish(tasks, recorders, start + plan.window_s + drain_s, drained=drain_s > 0)
    return [recorder.sample() for recorder in recorders]


async def _finish(
    tasks: list[asyncio.Task[None]], recorders: list[Recorder], deadline: float, *, drained: bool
) -> None:
    """Wait until the plan is over, then cancel what is in flight and name it."""
    loop = asyncio.get_running_loop()
    try:
        if tasks:
            await asyncio.wait(tasks, timeout=deadline - loop.time())
    finally:
        in_flight = [task for task in tasks if not task.done()]
        for task in in_flight:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    late: Failure = "timed_out" if drained else "cancelled_at_cutoff"
    for recorder, outcome in zip(recorders, outcomes, strict=True):
        if isinstance(outcome, asyncio.CancelledError):
            if not recorder.done:
                recorder.fail(late)
        elif isinstance(outcome, BaseException):
            raise outcome


def _max_tokens(request: Request) -> int | None:
    asked = request.body.get("max_tokens")
    return asked if type(asked) is int and asked > 0 else None


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise BadRequest(f"{url!r} is not an http URL.", "Send one such as http://127.0.0.1:8000.")
    return url.rstrip("/")


def _session() -> "aiohttp.ClientSession":
    """One session: no limit on connections, no proxy or cookie from outside, no decompression."""
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S, use_dns_cache=True),
        timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_read=None, sock_connect=None),
        headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection pauses inside the window; memory is bounded by the responses' size limit."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
