"""What one request received, as the client's own clock saw it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Failure = Literal[
    "connect",  # no connection was made
    "http_3xx",
    "http_4xx",
    "http_5xx",
    "reset",  # the connection broke before the response was whole
    "malformed",  # not the stream the contract asks for, or larger than any honest one
    "error_event",  # the stream carried an error object
    "incomplete",  # a clean end without finish_reason and [DONE]
    "cancelled_at_cutoff",  # in flight when the window closed
    "timed_out",  # in flight when the drain time was over
]


class Sample(BaseModel):
    """One request's outcome. All times are seconds since the start of the plan, on one monotonic clock.

    `token_s[i]` is when `token_ids[i]` arrived; ids of one chunk share its time. `first_token_s` is the
    first chunk that carried content (ids or non-empty text). Nothing here is what the server says about
    itself: usage fields and server timestamps are not read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int
    at_s: float
    sent_s: float | None = None
    http_status: int | None = None
    first_token_s: float | None = None
    finished_s: float | None = None
    chunk_s: tuple[float, ...] = ()
    token_ids: tuple[int, ...] = ()
    token_s: tuple[float, ...] = ()
    text: str = ""
    finish_reason: str | None = None
    done: bool = False
    error: Failure | None = None
    detail: str = ""

    @property
    def completed(self) -> bool:
        """Whether the whole stream arrived: content, a finish reason and the end marker."""
        return self.error is None and self.done and self.finish_reason is not None
