"""The strong baseline: as right as the reference, and really a batcher."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from llama_chat import finish_reasons, ids, leave_at_once, post, refusal, score, script, serving, stream, text

LONG = {"prompt": "a", "max_tokens": 200}


@pytest.fixture(scope="module")
def baseline_url(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The static batcher over the tiny model."""
    with serving("baselines/static_batch/serve.py", tiny, tmp_path_factory.mktemp("logs") / "baseline.log") as url:
        yield url


def body(place: int) -> tuple[str, dict[str, Any]]:
    """A request unlike its neighbours in prompt, length and endpoint."""
    words = " ".join(f"word{place * step % 97}" for step in range(1, 2 + place * 5 % 23))
    asked: dict[str, Any] = {"max_tokens": 1 + place * 7 % 24}
    if place % 3 == 2:
        return "chat", asked | {"messages": [{"role": "user", "content": words}]}
    return "completions", asked | {"prompt": words}


def answered(url: str, place: int) -> dict[str, Any]:
    """One answer, asked for a moment after the one before."""
    time.sleep(place * 0.01)
    endpoint, asked = body(place)
    chunks = post(url, endpoint, asked)
    assert finish_reasons(chunks) == [None] * (asked["max_tokens"] - 1) + ["length"]
    return {"endpoint": endpoint, **asked, "token_ids": ids(chunks), "text": text(chunks)}


def seconds(url: str, asked: dict[str, Any]) -> float:
    began = time.monotonic()
    post(url, "completions", asked)
    return time.monotonic() - began


def test_the_targets_own_checker_passes_it(baseline_url: str, tiny: Path, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    script("accuracy_checker/checker.py", "--url", baseline_url, "--model", tiny, "--seed", "3", "--out", result)
    assert json.loads(result.read_text())["passed"] is True


def test_staggered_requests_of_all_lengths_are_answered_as_the_reference_would(
    baseline_url: str, tiny: Path, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(48) as pool:  # more than a batch holds
        answers = list(pool.map(lambda place: answered(baseline_url, place), range(48)))
    for answer, scored in zip(answers, score(tiny, answers, tmp_path), strict=True):
        assert len(answer["token_ids"]) == answer["max_tokens"]
        assert max(scored["gaps"]) <= 1e-3
        assert scored["text"] == answer["text"]


def test_a_row_that_stops_leaves_the_others_going(baseline_url: str) -> None:
    asked = {"prompt": "def total(prices):\n    return", "max_tokens": 30}
    whole = ids(post(baseline_url, "completions", asked))
    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(post, baseline_url, "completions", asked)
        stopped = post(baseline_url, "completions", asked | {"stop_token_ids": [whole[4]]})
    assert ids(stopped) == whole[: whole.index(whole[4]) + 1] and finish_reasons(stopped)[-1] == "stop"
    assert ids(other.result()) == whole


def test_sixteen_together_take_less_than_eight_in_a_row(baseline_url: str) -> None:
    asked = {"prompt": "a", "max_tokens": 60}
    one_s = min(seconds(baseline_url, asked) for _ in range(2))
    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: post(baseline_url, "completions", asked), range(16)))
    assert time.monotonic() - began < 8 * one_s


def test_clients_that_leave_take_their_work_with_them(baseline_url: str) -> None:
    one_long_s = seconds(baseline_url, LONG)
    leaving = stream(baseline_url, "completions", LONG)
    next(leaving)  # its batch is being decoded now; the others wait for the next ones
    waiting = [leave_at_once(baseline_url, LONG) for _ in range(40)]
    leaving.close()
    for connection in waiting:
        connection.close()
    # With the work of those who left, three long batches would stand before this short one.
    assert seconds(baseline_url, {"prompt": "b", "max_tokens": 1}) < 2 * one_long_s


def test_what_the_reference_refuses_is_refused_here_too(baseline_url: str) -> None:
    assert "temperature" in refusal(baseline_url, "completions", {"prompt": "a", "temperature": 0.7})
