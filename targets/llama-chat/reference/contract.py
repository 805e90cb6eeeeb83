"""What a request body must hold, and what is refused with status 400."""

import json
from dataclasses import dataclass
from typing import Any

from snapshot import Snapshot


class BadBody(ValueError):
    """The body breaks the contract; the message says how."""


@dataclass(frozen=True)
class Completion:
    """A request made ready: prompt ids, the limit of new tokens and the ids that end the answer."""

    prompt_ids: list[int]
    max_tokens: int
    stop_ids: frozenset[int]


def is_id_list(value: Any) -> bool:
    """A list of whole numbers."""
    return isinstance(value, list) and all(type(item) is int for item in value)


def is_message_list(value: Any) -> bool:
    """A non-empty list of {"role": str, "content": str}."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(item, dict) and isinstance(item.get("role"), str) and isinstance(item.get("content"), str)
            for item in value
        )
    )


def check(body: Any, *, chat: bool) -> None:
    """Refuse what this server does not serve."""
    if not isinstance(body, dict):
        raise BadBody("The body must be a JSON object.")
    if chat and not is_message_list(body.get("messages")):
        raise BadBody("`messages` must be a non-empty list of {role, content} strings.")
    if not chat and not isinstance(body.get("prompt"), str):
        raise BadBody("`prompt` must be a string.")
    if type(body.get("max_tokens")) is not int or body["max_tokens"] < 1:
        raise BadBody("`max_tokens` must be a whole number of at least 1.")
    if body.get("temperature", 0) != 0:
        raise BadBody("Only `temperature` 0 is served.")
    if body.get("stream") is not True:
        raise BadBody("Only `stream` true is served.")
    if not is_id_list(body.get("stop_token_ids", [])):
        raise BadBody("`stop_token_ids` must be a list of token ids.")


def parse(raw: bytes, *, chat: bool, snapshot: Snapshot) -> Completion:
    """The completion that a request body asks for; raises BadBody."""
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise BadBody("The body must be JSON.") from error
    check(body, chat=chat)
    prompt_ids = snapshot.prompt_ids({"messages": body["messages"]} if chat else {"prompt": body["prompt"]})
    if len(prompt_ids) + body["max_tokens"] > snapshot.context_tokens:
        raise BadBody(f"Prompt and answer must fit in {snapshot.context_tokens} tokens.")
    eos_ids = frozenset() if body.get("ignore_eos") else snapshot.eos_ids
    return Completion(prompt_ids, body["max_tokens"], eos_ids | frozenset(body.get("stop_token_ids", [])))
