"""A private loopback that several sandboxes share."""

import json
import threading
from types import TracebackType
from typing import Self

from vibeserve.core.errors import InfrastructureFailed

from .spawning import Supervisor

_START_TIMEOUT_S = 30.0


class Network:
    """A network namespace with a loopback and nothing else, held by a process that dies with us."""

    def __init__(self) -> None:
        self._supervisor = Supervisor("network")
        self._lock = threading.Lock()
        try:
            event = self._supervisor.event(_START_TIMEOUT_S)
            if event is None:
                raise InfrastructureFailed("The private network does not start.", "Try again.")
        except BaseException:
            self._supervisor.end()
            raise
        self._holder_pid: int = event["pid"]
        self._closed = False

    @property
    def holder_pid(self) -> int:
        """Host pid of the process whose network namespace this is."""
        if self._closed:  # the pid may be somebody else's by now
            raise InfrastructureFailed("The private network is closed.", "Open a new one.")
        return self._holder_pid

    def probe(self, port: int, path: str, timeout_s: float = 1.0) -> int | None:
        """The HTTP status of GET 127.0.0.1:port/path inside the network; None without a timely answer."""
        request = {"port": port, "path": path, "timeout_s": timeout_s}
        with self._lock:
            self._supervisor.send(json.dumps(request).encode() + b"\n")
            event = self._supervisor.event(timeout_s + _START_TIMEOUT_S)
        if event is None:
            raise InfrastructureFailed("The private network's holder does not answer.", "Try again.")
        status: int | None = event["http_status"]
        return status

    def close(self) -> None:
        """End the holder; the network goes when the last sandbox in it has ended."""
        self._closed = True
        self._supervisor.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
