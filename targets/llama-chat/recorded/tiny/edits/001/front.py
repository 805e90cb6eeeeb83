"""The HTTP interface: OpenAI completions and chat completions, streamed with token ids."""

import asyncio
import json
from collections.abc import Callable

import body
from engine import Engine
from http11 import Connection, Request
from job import Job
from text import Text

ROUTES = {"/v1/completions": False, "/v1/chat/completions": True}
"""Path → whether it is a chat."""


class Front:
    """Turns requests into jobs and their tokens into server-sent events."""

    def __init__(self, engine: Engine, text: Text) -> None:
        self.engine = engine
        self.text = text

    async def serve(self, port: int) -> None:
        """Listen on loopback for as long as the server lives."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self.handle), "127.0.0.1", port, backlog=1024)
        async with asyncio.TaskGroup() as tasks:  # when one of them fails, the server ends
            tasks.create_task(self.engine.run())
            tasks.create_task(server.serve_forever())

    def handle(self, connection: Connection, request: Request) -> None:
        """Answer one request."""
        if request.path == "/health":
            connection.answer(200, b'{"status": "ok"}')
        elif request.path not in ROUTES:
            connection.answer(404, error("There is no such path."))
        elif request.method != "POST":
            connection.answer(405, error("Use POST."))
        else:
            self.complete(connection, request.body, chat=ROUTES[request.path])

    def complete(self, connection: Connection, raw: bytes, *, chat: bool) -> None:
        """Start the job that a body asks for. A client that leaves takes its job with it."""
        try:
            job = self.job(raw, chat, self.stream(connection, chat))
        except body.BadBody as bad:
            connection.answer(400, error(str(bad)))
            return
        connection.begin()
        connection.on_lost = lambda: setattr(job, "cancelled", True)
        self.engine.submit(job)

    def job(self, raw: bytes, chat: bool, sink: Callable[[int, str | None], None]) -> Job:
        """What a body asks for; raises BadBody."""
        asked = body.read(raw, chat=chat)
        ids = self.text.chat_ids(asked.messages) if chat else self.text.completion_ids(asked.prompt)
        if len(ids) + asked.max_tokens > self.text.context:
            raise body.BadBody(f"Prompt and answer must fit in {self.text.context} tokens.")
        stop_ids = asked.stop_ids | (frozenset() if asked.ignore_eos else self.text.eos_ids)
        return Job(ids, asked.max_tokens, stop_ids, sink)

    def stream(self, connection: Connection, chat: bool) -> Callable[[int, str | None], None]:
        """What sends each token of one answer as an event, and [DONE] after the last."""
        detokenizer = self.text.detokenizer()
        event = chat_event if chat else completion_event

        def send(token: int, reason: str | None) -> None:
            text = json.dumps(detokenizer.push(token, last=reason is not None))
            connection.write(event(token, text, json.dumps(reason)).encode())
            if reason is not None:
                connection.write(b"data: [DONE]\n\n")
                connection.end()

        return send


def completion_event(token: int, text: str, reason: str) -> str:
    """One chunk of a completion; `text` and `reason` are JSON."""
    return (
        f'data: {{"object": "text_completion", "choices": [{{"index": 0, "token_ids": [{token}], '
        f'"finish_reason": {reason}, "text": {text}}}]}}\n\n'
    )


def chat_event(token: int, text: str, reason: str) -> str:
    """One chunk of a chat; `text` and `reason` are JSON."""
    return (
        f'data: {{"object": "chat.completion.chunk", "choices": [{{"index": 0, "token_ids": [{token}], '
        f'"finish_reason": {reason}, "delta": {{"content": {text}}}}}]}}\n\n'
    )


def error(message: str) -> bytes:
    """The body of a refusal."""
    return json.dumps({"error": {"message": message}}).encode()
