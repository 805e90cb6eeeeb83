import time

import pytest
from llama_chat import finish_reasons, ids, leave_at_once, post, refusal, score, stream, text

HELLO = {"messages": [{"role": "user", "content": "Say hello to the river."}]}
CODE = {"prompt": "def total(prices):\n    return"}


def answered(url, endpoint, body) -> dict:
    chunks = post(url, endpoint, body)
    return {"endpoint": endpoint, **body, "token_ids": ids(chunks), "text": text(chunks)}


def test_its_own_answers_score_zero_and_altered_ones_do_not(reference_url, tiny, tmp_path):
    asked = [("completions", CODE), ("chat", HELLO), ("completions", {"prompt": "東京 🌍 ", "max_tokens": 40})]
    honest = [answered(reference_url, endpoint, body) for endpoint, body in asked]
    first = honest[0]
    altered = first | {"token_ids": [*first["token_ids"][:5], 17, *first["token_ids"][6:]]}
    other_prompt = first | {"prompt": CODE["prompt"] + " "}
    as_chat = {"endpoint": "chat", **HELLO, "token_ids": first["token_ids"]}
    unknown = first | {"token_ids": [first["token_ids"][0], 4096, -1]}
    empty = first | {"token_ids": []}
    scores = score(tiny, [*honest, altered, other_prompt, as_chat, unknown, empty], tmp_path)

    for answer, scored in zip(honest, scores, strict=False):
        assert max(scored["gaps"]) <= 1e-3
        assert scored["agreement"] > 0.99
        assert scored["text"] == answer["text"]
    altered_score, other_score, chat_score, unknown_score, empty_score = scores[len(honest) :]
    assert max(altered_score["gaps"][:5]) <= 1e-3 < altered_score["gaps"][5]
    assert max(other_score["gaps"]) > 1
    assert max(chat_score["gaps"]) > 1
    assert unknown_score["gaps"][1:] == [1e9, 1e9]
    assert empty_score == {"gaps": [], "agreement": 0.0, "text": ""}


def test_a_stop_id_ends_the_answer_and_is_part_of_it(reference_url):
    whole = ids(post(reference_url, "completions", CODE))
    stopped = post(reference_url, "completions", CODE | {"stop_token_ids": [whole[4], 4095], "ignore_eos": True})
    assert ids(stopped) == whole[: whole.index(whole[4]) + 1]
    assert finish_reasons(stopped)[-1] == "stop"
    assert set(finish_reasons(stopped)[:-1]) <= {None}


def test_an_answer_without_a_stop_runs_to_its_limit(reference_url):
    chunks = post(reference_url, "chat", HELLO | {"max_tokens": 9})
    assert len(ids(chunks)) == 9
    assert finish_reasons(chunks) == [None] * 8 + ["length"]


@pytest.mark.parametrize(
    ("endpoint", "body", "told"),
    [
        ("completions", b"no json", "JSON"),
        ("completions", b"[]", "object"),
        ("completions", {"prompt": ["a"]}, "prompt"),
        ("completions", {"prompt": "a", "max_tokens": 0}, "max_tokens"),
        ("completions", {"prompt": "a", "max_tokens": True}, "max_tokens"),
        ("completions", {"prompt": "a", "max_tokens": 512}, "512"),
        ("completions", {"prompt": "a", "temperature": 0.7}, "temperature"),
        ("completions", {"prompt": "a", "stream": False}, "stream"),
        ("completions", {"prompt": "a", "stop_token_ids": ["x"]}, "stop_token_ids"),
        ("chat", {"messages": []}, "messages"),
        ("chat", {"messages": [{"role": "user"}]}, "messages"),
        ("chat", {"prompt": "a"}, "messages"),
    ],
)
def test_what_it_does_not_serve_is_refused_with_the_reason(reference_url, endpoint, body, told):
    assert told in refusal(reference_url, endpoint, body)


def test_clients_that_leave_take_their_work_with_them(reference_url):
    long = {"prompt": "a", "max_tokens": 256}

    def seconds(body) -> float:
        began = time.monotonic()
        post(reference_url, "completions", body)
        return time.monotonic() - began

    one_long_s = seconds(long)
    leaving = [stream(reference_url, "completions", long)]
    next(leaving[0])  # it is being decoded now; the others wait behind it
    waiting = [leave_at_once(reference_url, long) for _ in range(40)]
    leaving[0].close()
    for connection in waiting:
        connection.close()
    # With the work of those who left, forty long answers would stand before this short one.
    assert seconds({"prompt": "b", "max_tokens": 1}) < 10 * one_long_s
