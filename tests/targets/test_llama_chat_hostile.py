"""Hostile servers: the checker and the benchmark end, blame the server, and do not break."""

import importlib.util
import json
import math
import sys
import time

import pytest
from hostile_server import HEAD, LeakingSlots, drip, event, hang, hostile
from llama_chat import TARGET, script

CASE = {"endpoint": "chat", "messages": [{"role": "user", "content": "x"}], "max_tokens": 2}
DONE = b"data: [DONE]\n\n"


@pytest.fixture(scope="session")
def client():
    """The checker's client, as a module."""
    spec = importlib.util.spec_from_file_location("checker_client", TARGET / "accuracy_checker" / "client.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def sends(*pieces: bytes):
    """A behaviour: these bytes, whatever was asked."""
    return lambda connection, _body: connection.sendall(b"".join(pieces))


def test_an_honest_stream_is_read(client):
    answer = event(delta={"role": "assistant"}), event(delta={"content": "a"}, token_ids=[1, 2], finish_reason="length")
    with hostile(sends(HEAD, *answer, DONE)) as url:
        streamed = client.Client(url).ask(CASE)
    assert (streamed.token_ids, streamed.text, streamed.finish_reason) == ([1, 2], "a", "length")


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"data: " + b"[" * 100_000 + b"\n\n" + DONE,
        HEAD + b"data: " + b'{"a":' * 100_000 + b"\n\n" + DONE,
        HEAD + b"data: " + b"9" * 100_000 + b"\n\n" + DONE,
        HEAD + b"data: {}\n\n" + DONE,
        HEAD + b'data: {"choices": []}\n\n' + DONE,
        HEAD + b'data: {"choices": ["text"]}\n\n' + DONE,
        HEAD + b'data: {"choices": [{"delta": null}]}\n\n' + DONE,
        HEAD + b'data: {"choices": [{"text": 7}]}\n\n' + DONE,
        HEAD + b'data: {"choices": [{"token_ids": 7}]}\n\n' + DONE,
        HEAD + b"data: \xff\n\n" + DONE,
        HEAD + b"data: " + b"x" * (2 << 20) + b"\n\n" + DONE,
        HEAD + b"\n" * (5 << 20),
        HEAD,
        HEAD.replace(b"Connection: close", b"Transfer-Encoding: chunked") + b"zz\r\n",
        HEAD.replace(b"200", b"abc") + DONE,
        HEAD.replace(b"200 OK", b"302 Found\r\nLocation: http://127.0.0.1:1/") + DONE,
        HEAD.replace(b"200", b"500") + DONE,
        b"SSH-2.0-nonsense\r\n",
        b"",
    ],
)
def test_a_malformed_answer_is_the_servers_fault(client, answer):
    with hostile(sends(answer)) as url, pytest.raises(client.BrokenStream) as broken:
        client.Client(url).ask(CASE)
    assert len(str(broken.value)) <= 250


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 abc x\r\n\r\n", b"HTTP/1.1 " + b"9" * 5000 + b"\r\n\r\n", b"\0" * 99]
)
def test_a_malformed_status_is_none(client, answer):
    with hostile(sends(answer)) as url:
        assert client.Client(url).status({"prompt": "x"}) == 0


@pytest.mark.parametrize("behaviour", [drip, hang])
def test_an_answer_has_a_deadline_and_so_have_all_together(client, behaviour):
    with hostile(behaviour) as url:
        asked = client.Client(url, answer_s=0.5, all_answers_s=0.8)
        began = time.monotonic()
        for said in ("within 0.5 s", "within 0.[23]", "no time was left", "no time was left"):
            with pytest.raises(client.BrokenStream, match=said):
                asked.ask(CASE)
        assert asked.status({"prompt": "x"}) == 0
        assert time.monotonic() - began < 10  # seconds: without deadlines this never ends


def test_the_checker_fails_a_server_that_nests_without_end(tiny, tmp_path):
    with hostile(sends(HEAD, b"data: ", b"[" * 100_000, b"\n\n", DONE)) as url:
        common = ("--model", tiny, "--seed", "5", "--out", tmp_path / "check.json")
        script("accuracy_checker/checker.py", "--url", url, *common)
    result = json.loads((tmp_path / "check.json").read_text())
    assert result["passed"] is False
    assert "RecursionError" in result["failures"][0]


def measured(behaviour, model, folder):
    """The benchmark's result on a hostile server."""
    load = {"rates_per_s": [20, 40], "window_s": 1, "warmup_s": 0, "prompt_tokens": [16, 32], "output_tokens": 32}
    (folder / "load.json").write_text(json.dumps(load | {"idle_within_s": 1}))
    common = ("--model", model, "--seed", "3", "--load", folder / "load.json", "--out", folder / "result.json")
    with hostile(behaviour) as url:
        script("benchmark/benchmark.py", "--url", url, *common)
    return json.loads((folder / "result.json").read_text())


@pytest.mark.parametrize(
    ("behaviour", "when"),
    [
        (hang, "while warming up"),
        (drip, "while warming up"),
        (LeakingSlots(slots=8, step_s=0.05), "at 20 requests/s"),
    ],
)
def test_a_server_that_no_longer_answers_has_served_nothing(tiny, tmp_path, behaviour, when):
    """It hangs from the start, drips, or loses a slot with every client that leaves."""
    result = measured(behaviour, tiny, tmp_path)
    headline = result["headline"]
    assert headline["served"] is False
    assert headline["tokens_per_s"] == 0
    assert f"{when}: a lone request was not answered" in headline["reason"]
    assert result["samples"] == []


def test_slots_that_come_free_are_served(tiny, tmp_path):
    """The same server, quick enough that nobody leaves before the answer: it serves."""
    result = measured(LeakingSlots(slots=1000, step_s=0.0005), tiny, tmp_path)
    assert "served" not in result["headline"]
    assert math.isfinite(result["headline"]["tokens_per_s"])
    assert result["headline"]["tokens_per_s"] > 0
