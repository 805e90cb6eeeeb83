"""One request inside the server."""

from collections.abc import Callable
from dataclasses import dataclass, field

Sink = Callable[[int, str | None], None]


@dataclass(eq=False)
class Job:
    """Prompt ids, the limit of new tokens, the ids that end the answer, and where its tokens go.

    Each token comes with the reason for which it is the last, or None.
    """

    prompt_ids: list[int]
    max_tokens: int
    stop_ids: frozenset[int]
    sink: Sink
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
        self.sink(token, finish_reason)
        return finish_reason is None
