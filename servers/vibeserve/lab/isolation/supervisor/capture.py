"""Keeping the head and the tail of hostile output, in a readable form."""

import os
import time

_REWRITE_EVERY_S = 0.05


def visible(data: bytes) -> str:
    """Text in which nothing can act on a terminal or hide from a reader.

    Invalid UTF-8 is replaced; control characters become their pictures (ESC is ␛); characters that
    reorder, hide or break lines become \\u escapes. Newlines and tabs stay.
    """
    return data.decode("utf-8", "replace").replace("\r\n", "\n").translate(_VISIBLE)


def _visible_table() -> dict[int, str]:
    table = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"}
    table[0x7F] = "\u2421"
    invisible = [
        *range(0x80, 0xA0),
        *(0xAD, 0x61C, 0x180E, 0xFEFF),
        *range(0x200B, 0x2010),
        *range(0x2028, 0x202F),
        *range(0x2060, 0x2070),
    ]
    table.update({code: f"\\u{code:04x}" for code in invisible})
    table.update({code: f"\\U{code:08x}" for code in range(0xE0000, 0xE0080)})
    return table


_VISIBLE = _visible_table()


class Capture:
    """The first and last `kept_bytes / 2` bytes of a stream."""

    def __init__(self, kept_bytes: int) -> None:
        self._half = max(kept_bytes // 2, 1)
        self._head = bytearray()
        self._tail = bytearray()
        self.total_bytes = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self.total_bytes += len(data)
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:] if room > 0 else data
        if len(self._tail) > 2 * self._half:
            del self._tail[: -self._half]

    def text(self) -> str:
        """Head, a marker line that says how many bytes were left out, tail."""
        tail = self._tail[-self._half :]
        left_out = self.total_bytes - len(self._head) - len(tail)
        if left_out == 0:
            return visible(bytes(self._head + tail))
        marker = f"\n[… {left_out} bytes left out …]\n"
        return visible(bytes(self._head)) + marker + visible(bytes(tail))


class LogFile:
    """A file that shows a capture at any time, never much larger than what is kept."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self._written_bytes = 0
        self._written_at = 0.0

    def show(self, capture: Capture, *, at_once: bool = False) -> None:
        """Write what is new in the capture, at most twenty times a second unless `at_once`."""
        now = time.monotonic()
        due = at_once or now - self._written_at >= _REWRITE_EVERY_S
        if not due or self._written_bytes == capture.total_bytes:
            return
        content = capture.text().encode()
        os.pwrite(self._fd, content, 0)
        os.ftruncate(self._fd, len(content))
        self._written_bytes, self._written_at = capture.total_bytes, now
