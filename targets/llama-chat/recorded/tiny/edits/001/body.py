"""Reads the body of a request and says what it may not hold."""

import json
from dataclasses import dataclass
from typing import Any


class BadBody(ValueError):
    """A request that is not served; the message says why."""


@dataclass(frozen=True)
class Body:
    """A completion request: a prompt, or the messages of a chat."""

    prompt: str
    messages: list[dict[str, str]]
    max_tokens: int
    stop_ids: frozenset[int]
    ignore_eos: bool


def read(raw: bytes, *, chat: bool) -> Body:
    """The request that a body asks for; raises BadBody."""
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise BadBody("The body must be JSON.") from error
    require(isinstance(body, dict), "The body must be a JSON object.")
    if chat:
        require(are_messages(body.get("messages")), "`messages` must be a list of {role, content} strings.")
    else:
        require(isinstance(body.get("prompt"), str), "`prompt` must be a string.")
    max_tokens, stop_ids = body.get("max_tokens"), body.get("stop_token_ids", [])
    require(type(max_tokens) is int and max_tokens > 0, "`max_tokens` must be a positive whole number.")
    require(body.get("temperature", 0) == 0, "Only `temperature` 0 is served.")
    require(body.get("stream") is True, "Only `stream` true is served.")
    are_ids = isinstance(stop_ids, list) and all(type(item) is int for item in stop_ids)
    require(are_ids, "`stop_token_ids` must be a list of token ids.")
    return Body(
        body.get("prompt", ""), body.get("messages", []), max_tokens, frozenset(stop_ids), bool(body.get("ignore_eos"))
    )


def require(holds: bool, message: str) -> None:
    """Raise BadBody with the message unless it holds."""
    if not holds:
        raise BadBody(message)


def are_messages(value: Any) -> bool:
    """A non-empty list of objects with a role and a content, both strings."""
    return isinstance(value, list) and bool(value) and all(is_message(item) for item in value)


def is_message(item: Any) -> bool:
    """One message of a chat."""
    return isinstance(item, dict) and all(isinstance(item.get(key), str) for key in ("role", "content"))
