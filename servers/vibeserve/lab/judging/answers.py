"""What was asked and what came back, in the shape in which it is scored and judged."""

import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.lab.load import Plan, Request, Sample

CHAT_PATH = "/v1/chat/completions"
COMPLETIONS_PATH = "/v1/completions"


class Answer(BaseModel):
    """One request and the response to it. `error` is None when the whole stream arrived.

    `sent_s` and `finished_s` tell which requests ran together; they are absent where nobody timed them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: Literal["completions", "chat"]
    prompt: str | None = None
    messages: tuple[dict[str, str], ...] | None = None
    max_tokens: int
    stop_token_ids: frozenset[int] = frozenset()
    ignore_eos: bool = False
    token_ids: tuple[int, ...]
    text: str
    finish_reason: str | None
    error: str | None = None
    sent_s: float | None = None
    finished_s: float | None = None


class Score(BaseModel):
    """The reference's opinion of one answer, teacher-forced.

    `gaps[i]` is the reference's largest logit at output position i minus its logit of the emitted id;
    `agreement` is the share of zero gaps; `text` is what the ids decode to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    gaps: tuple[float, ...]
    agreement: float
    text: str


class _Scores(BaseModel):
    sequences: tuple[Score, ...]


def answers(plan: Plan, samples: Sequence[Sample]) -> list[Answer]:
    """Pair each request of the plan with its sample."""
    return [_answer(request, sample) for request, sample in zip(plan.requests, samples, strict=True)]


def _answer(request: Request, sample: Sample) -> Answer:
    body = request.body
    return Answer(
        endpoint="chat" if request.path == CHAT_PATH else "completions",
        prompt=body.get("prompt"),
        messages=body.get("messages"),
        max_tokens=body["max_tokens"],
        stop_token_ids=frozenset(body.get("stop_token_ids", ())),
        ignore_eos=body.get("ignore_eos", False),
        token_ids=sample.token_ids,
        text=sample.text,
        finish_reason=sample.finish_reason,
        error=None if sample.completed else sample.error or "incomplete",
        sent_s=sample.sent_s,
        finished_s=sample.finished_s,
    )


def score_input(judged: Sequence[Answer]) -> str:
    """The JSON document that a target's score command reads: every answer, in order."""
    fields = {"endpoint", "prompt", "messages", "token_ids"}
    sequences = [answer.model_dump(include=fields, exclude_none=True) for answer in judged]
    return json.dumps({"sequences": sequences})


def read_scores(document: str | bytes, judged: Sequence[Answer]) -> tuple[Score, ...]:
    """The scores that a score command wrote: one per answer in the same order, one gap per token id.

    The command belongs to the target, so anything else is InfrastructureFailed, never the candidate's fault.
    """
    try:
        scores = _Scores.model_validate_json(document).sequences
    except ValidationError as error:
        raise InfrastructureFailed(
            "The target's score command wrote no valid scores.",
            "Run its score command by hand on one answer.",
            evidence=_first_line(error),
        ) from error
    lengths, expected = [len(score.gaps) for score in scores], [len(answer.token_ids) for answer in judged]
    if lengths != expected:
        raise InfrastructureFailed(
            "The target's score command did not score every token of every answer.",
            "It must write one score per sequence in the same order, with one gap per token id.",
            evidence=f"gaps per sequence {lengths}, token ids per answer {expected}",
        )
    return scores


def _first_line(error: ValidationError) -> str:
    first: dict[str, Any] = dict(error.errors()[0])
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
