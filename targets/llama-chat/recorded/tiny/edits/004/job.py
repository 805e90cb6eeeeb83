"""One request inside the server."""

import asyncio
from dataclasses import dataclass, field


@dataclass(eq=False)
class Job:
    """Prompt ids, the limit of new tokens, the ids that end the answer, and its tokens as they come.

    Each token comes with the reason for which it is the last, or None.
    """

    prompt_ids: list[int]
    max_tokens: int
    stop_ids: frozenset[int]
    tokens: asyncio.Queue[tuple[int, str | None]] = field(default_factory=asyncio.Queue)
    answer: list[int] = field(default_factory=list)
    cancelled: bool = False

    def emit(self, token: int) -> bool:
        """Hand out a token; says whether the answer goes on."""
        self.answer.append(token)
        finish_reason = None
        if token in self.stop_ids:
            finish_reason = "stop"
        elif len(self.answer) == self.max_tokens:
            finish_reason = "length"
        self.tokens.put_nowait((token, finish_reason))
        return finish_reason is None
