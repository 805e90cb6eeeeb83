"""Cutting what a command printed to what a tool may return."""

import json

from vibeserve.core.artifacts import printable


def size_bytes(text: str) -> int:
    """What a text costs in a tool's result: its bytes as JSON."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace"))


def head_and_tail(text: str, limit_bytes: int) -> str:
    """A text as printable data of at most `limit_bytes` of JSON: its beginning and end where it is longer."""
    shown = printable(text)
    if size_bytes(shown) <= limit_bytes:
        return shown
    keep = min(len(shown), limit_bytes) // 2
    while True:
        cut = f"{shown[:keep]}\n[… {len(shown) - 2 * keep} characters left out …]\n{shown[len(shown) - keep :]}"
        if size_bytes(cut) <= limit_bytes or keep == 0:
            return cut
        keep = keep * 3 // 4


def tail(text: str, limit_bytes: int) -> str:
    """The end of a text as printable data of at most `limit_bytes` of JSON."""
    shown = printable(text)
    keep = len(shown)
    while size_bytes(shown[len(shown) - keep :]) > limit_bytes:
        keep = keep * 3 // 4
    return shown[len(shown) - keep :]
