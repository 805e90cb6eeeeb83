"""The little of HTTP/1.1 that is needed: one request after the other on a connection, whole or streamed answers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

LONGEST_HEAD = 64 * 1024
LONGEST_BODY = 8 * 1024 * 1024
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}


class Malformed(ValueError):
    """What came in is no request that is served here."""


@dataclass(frozen=True)
class Request:
    """A whole request."""

    method: str
    path: str
    body: bytes


class Connection(asyncio.Protocol):
    """Reads requests and hands each to `handle`, which answers with `answer`, or `begin`, `write` … `end`.

    A client that leaves is told to whoever set `on_lost`.
    """

    def __init__(self, handle: Callable[["Connection", Request], None]) -> None:
        self._handle = handle
        self._received = bytearray()
        self._answering = False
        self._transport: asyncio.Transport | None = None
        self.on_lost: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        """The client has left, or was done."""
        self._transport = None
        if self.on_lost:
            self.on_lost()

    def data_received(self, data: bytes) -> None:
        """More of a request."""
        self._received += data
        self._serve_next()

    def answer(self, status: int, body: bytes) -> None:
        """A whole JSON answer."""
        self._send(head(status, f"application/json\r\ncontent-length: {len(body)}") + body)
        self._done()

    def begin(self) -> None:
        """An answer of server-sent events, in chunks."""
        self._send(head(200, "text/event-stream\r\ntransfer-encoding: chunked"))

    def write(self, data: bytes) -> None:
        """One chunk of it."""
        self._send(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        """Its end."""
        self._send(b"0\r\n\r\n")
        self._done()

    def _done(self) -> None:
        self._answering, self.on_lost = False, None
        self._serve_next()

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _serve_next(self) -> None:
        if self._answering or self._transport is None:
            return
        try:
            request = take_request(self._received)
        except Malformed as error:
            self._received.clear()
            self._send(head(400, "text/plain\r\nconnection: close") + str(error).encode())
            self._transport.close()
            return
        if request is not None:
            self._answering = True
            self._handle(self, request)


def head(status: int, content: str) -> bytes:
    """Status line and headers; `content` is the content type and what follows it."""
    return f"HTTP/1.1 {status} {REASONS[status]}\r\ncontent-type: {content}\r\n\r\n".encode()


def take_request(received: bytearray) -> Request | None:
    """Takes the first whole request off `received`; None while it is not whole."""
    head_end = received.find(b"\r\n\r\n")
    if head_end < 0:
        if len(received) > LONGEST_HEAD:
            raise Malformed("The head of the request is too long.")
        return None
    lines = received[:head_end].decode("latin-1").split("\r\n")
    length = body_length(lines[1:])
    body_at = head_end + 4
    if len(received) < body_at + length:
        return None
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Malformed("The request line cannot be read.")
    body = bytes(received[body_at : body_at + length])
    del received[: body_at + length]
    return Request(words[0], words[1].partition("?")[0], body)


def body_length(headers: list[str]) -> int:
    """The length that the headers give the body."""
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in headers)}
    if "transfer-encoding" in fields:
        raise Malformed("Send the body with a content-length.")
    value = fields.get("content-length", "0")
    if not value.isdecimal() or int(value) > LONGEST_BODY:
        raise Malformed("The content-length cannot be served.")
    return int(value)
