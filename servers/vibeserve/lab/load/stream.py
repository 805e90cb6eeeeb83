"""One streamed OpenAI request: what arrives, and when, by the client's clock alone."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vibeserve.lab.load.sample import Failure, Sample
from vibeserve.lab.load.sse import EventDecoder, MalformedStream

if TYPE_CHECKING:
    import aiohttp

MAX_RESPONSE_BYTES = 16 << 20
MAX_TOKEN_ID = 2**31 - 1
# The longest tokens of known vocabularies are runs of blanks of about 130 characters.
MAX_CHARACTERS_PER_TOKEN = 256
DETAIL_CHARACTERS = 200


class Recorder:
    """Collects one request's sample while it is in flight; `sample()` freezes it.

    `max_tokens` is what was asked for, where the body says so: whatever exceeds it is not kept.
    """

    def __init__(self, index: int, at_s: float, max_tokens: int | None = None) -> None:
        self.index = index
        self.at_s = at_s
        self.max_tokens = max_tokens
        self._characters = 0
        self.sent_s: float | None = None
        self.http_status: int | None = None
        self.finished_s: float | None = None
        self.finish_reason: str | None = None
        self.done = False
        self.error: Failure | None = None
        self.detail = ""
        self._chunk_s: list[float] = []
        self._token_ids: list[int] = []
        self._token_s: list[float] = []
        self._text: list[str] = []

    def fail(self, error: Failure, detail: str = "") -> None:
        """Name the outcome, unless the stream was already whole or already failed."""
        if self.error is None:
            self.error, self.detail = error, detail[:DETAIL_CHARACTERS]

    def take(self, event: bytes, now_s: float) -> None:
        """Record one `data` payload. Raises MalformedStream when it breaks the contract."""
        if self.done:
            raise MalformedStream("data after [DONE]")
        if event.strip() == b"[DONE]":
            self.done, self.finished_s = True, now_s
            return
        chunk = _json_object(event)
        if chunk.get("error"):
            self.fail("error_event", str(chunk["error"]))
        elif choice := _first_choice(chunk):
            self._take_choice(choice, now_s)

    def _take_choice(self, choice: dict[str, Any], now_s: float) -> None:
        text, token_ids = _text_of(choice), _token_ids_of(choice)
        self._require_asked_for(text, token_ids)
        if text or token_ids:
            self._chunk_s.append(now_s)
            self._text.append(text)
            self._token_ids.extend(token_ids)
            self._token_s.extend([now_s] * len(token_ids))
        finish_reason = choice.get("finish_reason")
        if finish_reason is not None:
            self.finish_reason = str(finish_reason)[:DETAIL_CHARACTERS]

    def _require_asked_for(self, text: str, token_ids: list[int]) -> None:
        """No honest answer is longer than was asked for; a flood would fill the memory of whoever reads it."""
        if self.max_tokens is None:
            return
        if len(self._token_ids) + len(token_ids) > self.max_tokens:
            raise MalformedStream(f"more token ids than max_tokens ({self.max_tokens})")
        self._characters += len(text)
        if self._characters > self.max_tokens * MAX_CHARACTERS_PER_TOKEN:
            raise MalformedStream(f"more text than {self.max_tokens} tokens can carry")

    def sample(self) -> Sample:
        """What was received, frozen."""
        return Sample(
            index=self.index,
            at_s=self.at_s,
            sent_s=self.sent_s,
            http_status=self.http_status,
            first_token_s=self._chunk_s[0] if self._chunk_s else None,
            finished_s=self.finished_s,
            chunk_s=tuple(self._chunk_s),
            token_ids=tuple(self._token_ids),
            token_s=tuple(self._token_s),
            text="".join(self._text),
            finish_reason=self.finish_reason,
            done=self.done,
            error=self.error,
            detail=self.detail,
        )


async def stream(
    session: "aiohttp.ClientSession", url: str, body: bytes, recorder: Recorder, now_s: Callable[[], float]
) -> None:
    """POST `body` and record the response; every failure becomes a named outcome, none is raised."""
    import aiohttp

    recorder.sent_s = now_s()  # before connecting: a server slow to accept is its own latency, not our lag
    try:
        async with session.post(url, data=body, allow_redirects=False) as response:
            try:
                await _read(response, recorder, now_s)
            finally:
                if not recorder.done:
                    response.close()
    except aiohttp.ClientConnectorError as error:
        recorder.fail("connect", str(error))
    except (aiohttp.ClientResponseError, aiohttp.InvalidURL, MalformedStream) as error:
        recorder.fail("malformed", str(error))
    except (aiohttp.ClientError, OSError) as error:
        if not recorder.done:  # a whole stream stays whole when the connection breaks behind it
            recorder.fail("reset", str(error))


async def _read(response: "aiohttp.ClientResponse", recorder: Recorder, now_s: Callable[[], float]) -> None:
    recorder.http_status = response.status
    if response.status != 200:
        await _fail_status(response, recorder)
        return
    decoder, received_bytes = EventDecoder(), 0
    async for packet in response.content.iter_any():
        arrived_s = now_s()
        received_bytes += len(packet)
        if received_bytes > MAX_RESPONSE_BYTES:
            raise MalformedStream(f"a response is longer than {MAX_RESPONSE_BYTES} bytes")
        for event in decoder.feed(packet):
            recorder.take(event, arrived_s)
    if not recorder.done or recorder.finish_reason is None:
        recorder.fail("incomplete", "the stream ended without finish_reason and [DONE]")


async def _fail_status(response: "aiohttp.ClientResponse", recorder: Recorder) -> None:
    names: dict[int, Failure] = {3: "http_3xx", 4: "http_4xx", 5: "http_5xx"}
    name = names.get(response.status // 100, "malformed")
    recorder.fail(name, f"HTTP {response.status}")
    body = await response.content.read(DETAIL_CHARACTERS)
    recorder.detail = f"HTTP {response.status}: {body.decode(errors='replace')}"[:DETAIL_CHARACTERS]


def _json_object(event: bytes) -> dict[str, Any]:
    try:
        chunk = json.loads(event)
    except (ValueError, RecursionError) as error:
        raise MalformedStream(f"an event is not JSON: {error}") from error
    if not isinstance(chunk, dict):
        raise MalformedStream("an event is not a JSON object")
    return chunk


def _first_choice(chunk: dict[str, Any]) -> dict[str, Any] | None:
    choices = chunk.get("choices")
    if choices in (None, []):
        return None
    if not isinstance(choices, list) or not isinstance(choices[0], dict):
        raise MalformedStream("`choices` is not a list of objects")
    return choices[0]


def _text_of(choice: dict[str, Any]) -> str:
    delta = choice.get("delta")
    text = delta.get("content") if isinstance(delta, dict) else choice.get("text")
    if text is None:
        return ""
    if not isinstance(text, str):
        raise MalformedStream("the text of a choice is not a string")
    return text


def _token_ids_of(choice: dict[str, Any]) -> list[int]:
    token_ids = choice.get("token_ids") or []
    if not isinstance(token_ids, list) or not all(
        type(each) is int and 0 <= each <= MAX_TOKEN_ID for each in token_ids
    ):
        raise MalformedStream("`token_ids` is not a list of non-negative integers of 31 bits")
    return token_ids
