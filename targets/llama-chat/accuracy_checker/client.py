"""Asks a server for one completion and keeps what it streams."""

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

PATHS = {"completions": "/v1/completions", "chat": "/v1/chat/completions"}
SILENCE_S = 30.0
DATA = b"data:"


class BrokenStream(Exception):
    """The server did not keep the contract; the message says where."""


@dataclass
class Streamed:
    """The ids, the text and the finish reason of one answer."""

    token_ids: list[int] = field(default_factory=list)
    text: str = ""
    finish_reason: str | None = None


def ask(url: str, case: dict[str, Any]) -> Streamed:
    """Stream one answer greedily. Raises BrokenStream when it does not come whole."""
    body = {key: value for key, value in case.items() if key != "endpoint"}
    body |= {"temperature": 0, "stream": True, "return_token_ids": True}
    try:
        with post(url + PATHS[case["endpoint"]], body) as response:
            return read(response)
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, IndexError) as error:
        raise BrokenStream(f"{type(error).__name__}: {error}") from error


def status(url: str, body: dict[str, Any]) -> int:
    """The status with which a completion request is answered; 0 when there is no answer."""
    try:
        with post(url + PATHS["completions"], body) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except (OSError, http.client.HTTPException):
        return 0


def post(url: str, body: dict[str, Any]) -> http.client.HTTPResponse:
    """Send a body straight to the server: a proxy of the environment has no part in this."""
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    response: http.client.HTTPResponse = opener.open(request, timeout=SILENCE_S)
    return response


def read(response: http.client.HTTPResponse) -> Streamed:
    """Collect the events of a stream up to [DONE]."""
    streamed = Streamed()
    for line in response:
        if not line.startswith(DATA):
            continue
        payload = line.removeprefix(DATA).strip()
        if payload == b"[DONE]":
            return streamed
        choice = json.loads(payload)["choices"][0]
        streamed.token_ids += choice.get("token_ids") or []
        streamed.text += choice.get("text") or choice.get("delta", {}).get("content") or ""
        streamed.finish_reason = choice.get("finish_reason") or streamed.finish_reason
    raise BrokenStream("the stream ended before [DONE]")
