"""Server-sent events in OpenAI's shape, with the ids of the tokens and text that never splits a character."""

import json
from collections.abc import Callable
from typing import Any

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Chunks:
    """The events of one answer, token by token."""

    def __init__(self, *, chat: bool, decode: Callable[[list[int]], str]) -> None:
        self._chat = chat
        self._decode = decode
        self._ids: list[int] = []
        self._sent_characters = 0

    def event(self, token: int, finish_reason: str | None) -> bytes:
        """The event of the next token; `finish_reason` ("length" or "stop") marks the last."""
        self._ids.append(token)
        text = self._text(final=finish_reason is not None)
        choice: dict[str, Any] = {"index": 0, "token_ids": [token], "finish_reason": finish_reason}
        choice |= {"delta": {"content": text}} if self._chat else {"text": text}
        kind = "chat.completion.chunk" if self._chat else "text_completion"
        return b"data: " + json.dumps({"object": kind, "choices": [choice]}).encode() + b"\n\n"

    def _text(self, *, final: bool) -> str:
        """The new text. What may still be an incomplete character is held back until it is decided."""
        text = self._decode(self._ids)
        if not final:
            text = text.rstrip(REPLACEMENT)
        new = text[self._sent_characters :]
        self._sent_characters = max(self._sent_characters, len(text))
        return new
