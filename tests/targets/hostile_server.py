"""A server that does to its clients whatever a test tells it to."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Behaviour = Callable[[socket.socket, dict], None]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@contextmanager
def hostile(behaviour: Behaviour) -> Iterator[str]:
    """Serves every connection with `behaviour(connection, body)` in a thread of its own; gives the URL."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1000)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection = listener.accept()[0]
                threading.Thread(target=_serve, args=(connection, behaviour), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def event(**choice: object) -> bytes:
    """One event of a stream."""
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def drip(connection: socket.socket, _body: dict) -> None:
    """One byte at a time, never silent for long, never done."""
    connection.sendall(HEAD)
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def hang(connection: socket.socket, _body: dict) -> None:
    """Nothing at all, until the client leaves."""
    connection.recv(1)


class LeakingSlots:
    """Answers in a few slots; a client that leaves in the middle takes its slot along for good."""

    def __init__(self, slots: int, step_s: float) -> None:
        self._free, self._step_s = threading.Semaphore(slots), step_s

    def __call__(self, connection: socket.socket, body: dict) -> None:
        self._free.acquire()
        connection.sendall(HEAD)
        for place in range(body["max_tokens"]):
            time.sleep(self._step_s)
            last = place == body["max_tokens"] - 1
            connection.sendall(event(text="a", token_ids=[1], finish_reason="length" if last else None))
        connection.sendall(b"data: [DONE]\n\n")
        self._free.release()


def _serve(connection: socket.socket, behaviour: Behaviour) -> None:
    with connection, suppress(OSError):
        behaviour(connection, _body(connection))


def _body(connection: socket.socket) -> dict:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65536)
    return json.loads(body)
