"""Incremental decoding of server-sent events from packets cut anywhere."""

MAX_EVENT_BYTES = 1 << 20


class MalformedStream(ValueError):
    """The bytes are not the stream the contract asks for."""


class EventDecoder:
    """Turns packets into `data` payloads (WHATWG HTML, server-sent events; lines end in LF or CRLF).

    Works on bytes, so that a character cut between two packets is never decoded in halves. Comments and
    fields other than `data` are skipped, as the standard says.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._data_bytes = 0

    def feed(self, packet: bytes) -> list[bytes]:
        """The payloads of the events that `packet` completes. Raises MalformedStream on an endless one."""
        *lines, self._rest = (self._rest + packet).split(b"\n")
        events = [event for line in lines if (event := self._take(line.removesuffix(b"\r"))) is not None]
        if len(self._rest) + self._data_bytes > MAX_EVENT_BYTES:
            raise MalformedStream(f"an event is longer than {MAX_EVENT_BYTES} bytes")
        return events

    def _take(self, line: bytes) -> bytes | None:
        if line.startswith(b"data:"):
            value = line[5:].removeprefix(b" ")
            self._data.append(value)
            self._data_bytes += len(value)
        elif not line and self._data:
            event = b"\n".join(self._data)
            self._data, self._data_bytes = [], 0
            return event
        return None
