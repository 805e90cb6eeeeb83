"""Runs the scripts of targets/llama-chat the way the servers run them."""

import http.client
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parents[2] / "targets" / "llama-chat"
PATHS = {"completions": "/v1/completions", "chat": "/v1/chat/completions"}
BOOT_TIMEOUT_S = 90


def script(path: str, *arguments: str | Path) -> None:
    """Run one of the target's scripts in an isolated interpreter, to its end."""
    command = [sys.executable, "-I", "-B", str(TARGET / path), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def score(model: Path, sequences: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """What score.py says of these sequences."""
    asked, written = folder / "sequences.json", folder / "scores.json"
    asked.write_text(json.dumps({"sequences": sequences}))
    script("reference/score.py", "--model", model, "--dtype", "float32", "--in", asked, "--out", written)
    scores: list[dict[str, Any]] = json.loads(written.read_text())["sequences"]
    return scores


def reference(model: Path, log: Path) -> AbstractContextManager[str]:
    """The reference server over `model`; gives its URL once it is healthy."""
    return serving("reference/serve.py", model, log)


@contextmanager
def serving(path: str, model: Path, log: Path) -> Iterator[str]:
    """One of the target's servers over `model`; gives its URL once it is healthy."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-B", str(TARGET / path), "--port", str(port), "--model", str(model)]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_healthy(url, server, log)
            yield url
        finally:
            server.kill()


def wait_until_healthy(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + BOOT_TIMEOUT_S
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"not healthy after {BOOT_TIMEOUT_S} s: {log.read_text()}")


def post(url: str, endpoint: str, body: dict[str, Any] | bytes) -> list[dict[str, Any]]:
    """The chunks of one stream, whole."""
    return list(stream(url, endpoint, body))


def stream(url: str, endpoint: str, body: dict[str, Any] | bytes) -> Iterator[dict[str, Any]]:
    """The chunks of one stream as they come; closing this generator disconnects."""
    data = body if isinstance(body, bytes) else json.dumps(greedy(body)).encode()
    request = urllib.request.Request(url + PATHS[endpoint], data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        for line in response:
            if line.startswith(b"data: {"):
                yield json.loads(line.removeprefix(b"data: "))
            elif line.strip():
                assert line == b"data: [DONE]\n"
                return
    raise AssertionError("the stream ended before [DONE]")


def leave_at_once(url: str, body: dict[str, Any]) -> http.client.HTTPConnection:
    """A request that is sent and not waited for."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    connection.request("POST", PATHS["completions"], json.dumps(greedy(body)), {"Content-Type": "application/json"})
    return connection


def greedy(body: dict[str, Any]) -> dict[str, Any]:
    return {"temperature": 0, "stream": True, "return_token_ids": True, "max_tokens": 12} | body


def refusal(url: str, endpoint: str, body: dict[str, Any] | bytes) -> str:
    """The message of status 400."""
    try:
        post(url, endpoint, body)
    except urllib.error.HTTPError as error:
        with error:
            assert error.code == 400
            message: str = json.loads(error.read())["error"]["message"]
            return message
    raise AssertionError("the body was accepted")


def ids(chunks: list[dict[str, Any]]) -> list[int]:
    return [token for chunk in chunks for token in chunk["choices"][0]["token_ids"]]


def text(chunks: list[dict[str, Any]]) -> str:
    choices = [chunk["choices"][0] for chunk in chunks]
    return "".join(choice["text"] if "text" in choice else choice["delta"]["content"] for choice in choices)


def finish_reasons(chunks: list[dict[str, Any]]) -> list[str | None]:
    return [chunk["choices"][0]["finish_reason"] for chunk in chunks]
