"""Asks a server for one completion and keeps what it streams, whatever the server does with the connection.

Nothing of an answer is trusted: its time, its size and its shape are bounded, and what breaks a bound is the
server's fault, never the checker's.
"""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

PATHS = {"completions": "/v1/completions", "chat": "/v1/chat/completions"}
ANSWER_S = 30.0
ALL_ANSWERS_S = 60.0
MAX_LINE_BYTES = 1 << 20
MAX_ANSWER_BYTES = 4 << 20
MESSAGE_CHARACTERS = 200
DATA = b"data:"
# What parsing a hostile answer can raise: JSON nested without end, numbers of a million digits, wrong types.
MALFORMED = (
    OSError,
    http.client.HTTPException,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
)


class BrokenStream(Exception):
    """The server did not keep the contract; the message says where."""


@dataclass
class Streamed:
    """The ids, the text and the finish reason of one answer."""

    token_ids: list[int] = field(default_factory=list)
    text: str = ""
    finish_reason: str | None = None


class Client:
    """Asks one server. Each answer has `ANSWER_S`, all of them together `ALL_ANSWERS_S`."""

    def __init__(self, url: str, answer_s: float = ANSWER_S, all_answers_s: float = ALL_ANSWERS_S) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._answer_s, self._left_s = answer_s, all_answers_s

    def ask(self, case: dict[str, Any]) -> Streamed:
        """Stream one answer greedily. Raises BrokenStream when it does not come whole and in time."""
        body = {key: value for key, value in case.items() if key != "endpoint"}
        body |= {"temperature": 0, "stream": True, "return_token_ids": True}
        with self._answer(PATHS[case["endpoint"]], body) as response:
            if response.status != 200:
                raise BrokenStream(f"status {response.status}")
            return read(response)

    def status(self, body: dict[str, Any]) -> int:
        """The status with which a completion request is answered; 0 when there is no answer."""
        try:
            with self._answer(PATHS["completions"], body) as response:
                return response.status
        except BrokenStream:
            return 0

    @contextmanager
    def _answer(self, path: str, body: dict[str, Any]) -> Iterator[http.client.HTTPResponse]:
        """The response to a body, its connection cut when the time is up; no proxy and no redirect has a part."""
        limit_s = min(self._answer_s, self._left_s)
        if limit_s <= 0:
            raise BrokenStream("no time was left: earlier answers took it all")
        began = time.monotonic()
        connection = http.client.HTTPConnection(self._host, self._port, timeout=limit_s)
        try:
            connection.connect()
            with cut_after(connection.sock, limit_s):
                headers = {"Content-Type": "application/json", "Connection": "close"}
                connection.request("POST", path, json.dumps(body), headers)
                with connection.getresponse() as response:
                    yield response
        except (BrokenStream, *MALFORMED) as error:
            if time.monotonic() - began >= limit_s:
                raise BrokenStream(f"the answer was not whole within {limit_s:g} s") from error
            if isinstance(error, BrokenStream):
                raise
            raise BrokenStream(f"{type(error).__name__}: {error}"[:MESSAGE_CHARACTERS]) from error
        finally:
            connection.close()
            self._left_s -= time.monotonic() - began


@contextmanager
def cut_after(connection: socket.socket, limit_s: float) -> Iterator[None]:
    """Shut a connection down after `limit_s`: a limit on the silence between two bytes is none on a slow drip."""

    def cut() -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(limit_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def read(response: http.client.HTTPResponse) -> Streamed:
    """Collect the events of a stream up to [DONE]."""
    streamed, size_bytes = Streamed(), 0
    while line := response.readline(MAX_LINE_BYTES + 1):
        size_bytes += len(line)
        if len(line) > MAX_LINE_BYTES or size_bytes > MAX_ANSWER_BYTES:
            raise BrokenStream("the answer is too large")
        if not line.startswith(DATA):
            continue
        payload = line.removeprefix(DATA).strip()
        if payload == b"[DONE]":
            return streamed
        choice = json.loads(payload)["choices"][0]
        streamed.token_ids += choice.get("token_ids") or []
        streamed.text += choice.get("text") or choice.get("delta", {}).get("content") or ""
        streamed.finish_reason = choice.get("finish_reason") or streamed.finish_reason
    raise BrokenStream("the stream ended before [DONE]")
