"""Sends one request to the server and checks that a well-formed answer streams back.

Usage: python smoke_test.py --model DIR [--dtype DTYPE]     starts the server on a free port, stops it again
       python smoke_test.py --url http://127.0.0.1:8000     asks one that runs already

Exit status 0 when it does, 1 when not. Standard library only.
"""

import argparse
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
ANSWER_TIMEOUT_S = 60.0
MAX_TOKENS = 8


class Unfit(Exception):
    """The server is not fit to serve; the message says why."""


def main() -> int:
    """Run the test and say how it ended."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=Path, help="folder of the model")
    parser.add_argument("--dtype", help="as in launch.json when not given")
    parser.add_argument("--url", help="a server that runs already")
    arguments = parser.parse_args()
    if (arguments.model is None) == (arguments.url is None):
        parser.error("give either --model or --url")
    contract = json.loads((HERE / "launch.json").read_text())
    running = contextlib.nullcontext(arguments.url) if arguments.url else started(arguments, contract)
    try:
        with running as url:
            events, began = streamed(url), time.monotonic()
            ids = check(list(events))
    except (Unfit, OSError, http.client.HTTPException) as problem:
        print(f"not fit to serve: {problem}", file=sys.stderr)
        return 1
    print(f"fit to serve: {len(ids)} token ids streamed in {time.monotonic() - began:.2f} s")
    return 0


@contextlib.contextmanager
def started(arguments: argparse.Namespace, contract: dict[str, Any]) -> Iterator[str]:
    """The exported server on a free port, ready; nothing of it is left afterwards."""
    port = free_port()
    values = {"MODEL": str(arguments.model.resolve()), "PORT": str(port), "PYTHON": sys.executable}
    values |= {"DTYPE": arguments.dtype or contract["dtype"]}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            ["sh", str(HERE / "launch.sh")],
            env=os.environ | values,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            await_health(process, port, contract)
            yield f"http://127.0.0.1:{port}"
        except Unfit as problem:
            log.seek(0)
            tail = log.read()[-2000:].decode("utf-8", "replace")
            raise Unfit(f"{problem}\nEnd of its log:\n{tail}") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def await_health(process: "subprocess.Popen[bytes]", port: int, contract: dict[str, Any]) -> None:
    """Return as soon as the server says that it can serve."""
    deadline = time.monotonic() + contract["boot_timeout_s"]
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Unfit(f"it ended with exit status {process.returncode} before it was ready")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", contract["health"])
            if connection.getresponse().status == http.client.OK:
                return
        time.sleep(0.05)
    raise Unfit(f"it was not ready after {contract['boot_timeout_s']:g} s")


def streamed(url: str) -> Iterator[str]:
    """The data of every server-sent event of one answer."""
    where = urlsplit(url)
    body = {"prompt": "Hello", "max_tokens": MAX_TOKENS, "temperature": 0, "stream": True, "return_token_ids": True}
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=ANSWER_TIMEOUT_S)
    with contextlib.closing(connection):
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/completions", json.dumps(body), headers)
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise Unfit(f"POST /v1/completions was answered with status {response.status}")
        for line in response:
            if line.startswith(b"data:"):
                yield line[5:].strip().decode()


def check(events: list[str]) -> list[int]:
    """The token ids of an answer; Unfit when it is not whole."""
    if not events or events.pop() != "[DONE]":
        raise Unfit("the stream does not end with [DONE]")
    try:
        choices = [json.loads(event)["choices"][0] for event in events]
        ids = [token for choice in choices for token in choice.get("token_ids") or []]
        reasons = [choice.get("finish_reason") for choice in choices]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Unfit(f"an event is not in the shape of a completion ({error!r})") from error
    if not reasons or reasons[-1] not in ("length", "stop") or any(reasons[:-1]):
        raise Unfit(f"the last event, and no other, must say how the answer ended; got {reasons}")
    if not ids or not all(type(token) is int and token >= 0 for token in ids):
        raise Unfit(f"the answer carries no proper token ids: {ids[:MAX_TOKENS]}")
    if len(ids) > MAX_TOKENS or (reasons[-1] == "length" and len(ids) != MAX_TOKENS):
        raise Unfit(f"{len(ids)} token ids where {MAX_TOKENS} were asked for (finish_reason {reasons[-1]})")
    return ids


if __name__ == "__main__":
    sys.exit(main())
