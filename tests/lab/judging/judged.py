"""Answers, scores and samples for the judging tests."""

from typing import Any

from vibeserve.lab.judging import Answer, Score
from vibeserve.lab.load import Sample


def answer(**changes: Any) -> Answer:
    """An honest answer of four tokens that ran to its limit."""
    fields: dict[str, Any] = {
        "endpoint": "completions",
        "prompt": "secret words",
        "max_tokens": 4,
        "stop_token_ids": frozenset({99}),
        "token_ids": (1, 2, 3, 4),
        "text": "abcd",
        "finish_reason": "length",
        "sent_s": 0.0,
        "finished_s": 1.0,
    }
    return Answer(**fields | changes)


def score(*gaps: float, text: str = "abcd") -> Score:
    """The reference's opinion: these gaps (four zeros when none are given)."""
    gaps = gaps or (0.0,) * 4
    return Score(gaps=gaps, agreement=sum(gap == 0 for gap in gaps) / len(gaps), text=text)


def sample(index: int, at_s: float, first_after_s: float, decode_s: float) -> Sample:
    """A completed stream of 32 tokens, evenly spaced."""
    first_s = at_s + first_after_s
    token_s = tuple(first_s + decode_s * place / 31 for place in range(32))
    return Sample(
        index=index,
        at_s=at_s,
        sent_s=at_s,
        http_status=200,
        first_token_s=first_s,
        finished_s=token_s[-1],
        chunk_s=token_s,
        token_ids=tuple(range(32)),
        token_s=token_s,
        text="x" * 32,
        finish_reason="length",
        done=True,
    )
