"""The open loop: intended times, the cut-off, and every way a server can misbehave."""

import asyncio
import gc
import json
import subprocess
import sys
import threading

import pytest
from streaming_servers import CHUNKED, DONE, HEAD, chunked, event, reset

from vibeserve.core.errors import BadRequest
from vibeserve.lab.load import Plan, Request, Sample, drive, poisson, summarize

NOBODY = "http://127.0.0.1:9"


def plan_of(count: int = 1, *, gap_s: float = 0.0, window_s: float = 5.0, max_tokens: int = 4, chat: bool = False):
    path = "/v1/chat/completions" if chat else "/v1/completions"
    body = {"prompt": "a", "max_tokens": max_tokens, "stream": True, "return_token_ids": True}
    return Plan(
        requests=tuple(Request(at_s=index * gap_s, path=path, body=body) for index in range(count)),
        window_s=window_s,
    )


async def one(raw, script, *, window_s: float = 5.0, max_tokens: int = 4) -> Sample:
    async with raw(script) as url:
        (sample,) = await drive(url, plan_of(window_s=window_s, max_tokens=max_tokens))
    return sample


async def said(raw, *packets: bytes) -> Sample:
    async def script(writer):
        for packet in packets:
            writer.write(packet)
            await writer.drain()
            await asyncio.sleep(0.005)

    return await one(raw, script)


@pytest.mark.parametrize("chat", [False, True])
async def test_honest_streams_are_recorded_token_by_token(honest, chat):
    server = await honest(gap_s=0.005)
    samples = await drive(server.url, plan_of(3, gap_s=0.01, chat=chat))
    for index, sample in enumerate(samples):
        assert sample.completed and sample.index == index and sample.http_status == 200
        assert sample.token_ids == (0, 1, 2, 3) and sample.text == " 0 1 2 3"
        assert sample.finish_reason == "length"
        assert list(sample.token_s) == sorted(sample.token_s) and len(sample.token_s) == 4
        assert sample.at_s <= sample.sent_s < sample.first_token_s < sample.finished_s
    assert server.bodies[0]["return_token_ids"] is True


async def test_the_loop_is_open_a_slow_server_delays_no_request(honest):
    server = await honest(delay_s=0.5)
    samples = await drive(server.url, plan_of(10, gap_s=0.02))
    assert max(sample.sent_s for sample in samples) < min(sample.first_token_s for sample in samples)
    assert all(sample.first_token_s - sample.sent_s >= 0.5 for sample in samples)


async def test_in_flight_requests_are_cancelled_at_the_cutoff_and_the_server_sees_them_go(honest):
    server = await honest(gap_s=0.05)
    samples = await drive(server.url, plan_of(3, window_s=0.4, max_tokens=10_000))
    assert [sample.error for sample in samples] == ["cancelled_at_cutoff"] * 3
    assert all(sample.token_ids and not sample.done for sample in samples)
    async with asyncio.timeout(5):
        while server.disconnected < 3:
            await asyncio.sleep(0.01)
    summary = summarize(samples, 0.4)
    assert summary.requests.cancelled == 3 and summary.requests.completed == summary.requests.failed == 0
    assert summary.tokens == sum(len(sample.token_ids) for sample in samples)


async def test_a_request_that_could_not_leave_is_offered_but_not_sent(honest):
    server = await honest()
    loop = asyncio.get_running_loop()
    loop.call_later(0.1, lambda: __import__("time").sleep(0.5))  # a client that stalls past the cut-off
    samples = await drive(server.url, plan_of(2, gap_s=0.25, window_s=0.3))
    assert samples[1].error == "cancelled_at_cutoff" or samples[1].sent_s >= 0.3
    assert summarize(samples, 0.3).void is not None


async def test_draining_lets_requests_finish(honest):
    server = await honest(delay_s=0.3)
    (sample,) = await drive(server.url, plan_of(window_s=0.1), drain_s=10)
    assert sample.completed and sample.first_token_s > 0.1
    assert summarize([sample], 0.1).tokens == 0  # what came after the cut-off does not count


async def test_draining_has_an_end(honest):
    server = await honest(delay_s=60)
    (sample,) = await drive(server.url, plan_of(window_s=0.1), drain_s=0.2)
    assert sample.error == "timed_out" and sample.http_status == 200


async def test_a_cancelled_drive_leaves_nothing_behind(honest):
    server = await honest(delay_s=60)
    tasks = asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(drive(server.url, plan_of(20, gap_s=0.2, window_s=60)), 0.5)
    assert not [thread for thread in threading.enumerate() if thread.name == "load-pacing"]
    async with asyncio.timeout(5):
        while server.disconnected < len(server.bodies):
            await asyncio.sleep(0.01)
    assert gc.isenabled() and len(server.bodies) < 20
    assert not [task for task in asyncio.all_tasks() - tasks if "send" in str(task.get_coro())]


async def test_an_endless_stream_ends_at_the_cutoff(raw):
    async def script(writer):
        writer.write(HEAD)
        while True:
            writer.write(event("x", [1]))
            await writer.drain()
            await asyncio.sleep(0.001)

    sample = await one(raw, script, window_s=0.3, max_tokens=10**6)
    assert sample.error == "cancelled_at_cutoff" and len(sample.token_ids) > 10


async def test_a_flood_is_cut_before_it_fills_the_memory(raw):
    async def script(writer):
        writer.write(HEAD)
        while True:
            writer.write(event("x" * 60_000, [1]))
            await writer.drain()

    sample = await one(raw, script, window_s=60, max_tokens=10**6)
    assert sample.error == "malformed" and "longer than" in sample.detail


@pytest.mark.parametrize(
    ("packet", "said"),
    [
        (event("x", [1]), "more token ids than max_tokens"),
        (event("x", [1, 2, 3, 4, 5]), "more token ids than max_tokens"),
        (event("x" * 600), "more text than 4 tokens"),
    ],
)
async def test_what_exceeds_max_tokens_ends_the_stream(raw, packet, said):
    async def script(writer):
        writer.write(HEAD)
        while True:
            writer.write(packet)
            await writer.drain()
            await asyncio.sleep(0.001)

    sample = await one(raw, script, window_s=60)
    assert sample.error == "malformed" and said in sample.detail
    assert len(sample.token_ids) <= 4 and len(sample.text) <= 1024
    assert summarize([sample], 60).tokens == 0


async def test_without_max_tokens_no_length_is_too_much(raw):
    async def script(writer):
        writer.write(HEAD + event("x" * 600, list(range(50)), "stop") + DONE)
        await writer.drain()

    plan = Plan(requests=(Request(at_s=0, path="/v1/completions", body={"prompt": "a"}),), window_s=5)
    async with raw(script) as url:
        (sample,) = await drive(url, plan)
    assert sample.completed and len(sample.token_ids) == 50


async def test_an_event_without_end_is_cut(raw):
    async def script(writer):
        writer.write(HEAD + b"data: ")
        while True:
            writer.write(b"x" * 60_000)
            await writer.drain()

    sample = await one(raw, script, window_s=60)
    assert sample.error == "malformed" and "an event is longer" in sample.detail


async def test_empty_first_chunks_are_not_the_first_token(raw):
    role = b'data: {"choices":[{"delta":{"role":"assistant","content":""},"token_ids":[]}]}\n\n'

    async def script(writer):
        writer.write(HEAD + b": ping\n\n" + role + event(""))
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.write(event("a", [1], "stop") + DONE)
        await writer.drain()

    sample = await one(raw, script)
    assert sample.completed and len(sample.chunk_s) == 1
    assert sample.first_token_s - sample.sent_s >= 0.2


async def test_an_id_without_text_is_content(raw):
    sample = await said(raw, HEAD + event("", [7]) + event("é", [8], "stop") + DONE)
    assert sample.completed and sample.token_ids == (7, 8) and len(sample.chunk_s) == 2


async def test_a_burst_keeps_all_ids_at_one_time(raw):
    sample = await said(raw, HEAD + event("abc", [1, 2, 3], "length") + DONE)
    assert sample.token_ids == (1, 2, 3) and len(set(sample.token_s)) == 1


async def test_frames_and_characters_cut_anywhere_are_put_together(raw):
    payload = '{"choices":[{"text":"日本é🙂","token_ids":[1,2],"finish_reason":"stop"}]}'
    stream_bytes = f"event: message\r\ndata: {payload}\r\n\r\ndata: [DONE]\r\n\r\n".encode()
    sample = await said(raw, HEAD, *(stream_bytes[index : index + 1] for index in range(len(stream_bytes))))
    assert sample.completed and sample.text == "日本é🙂" and sample.token_ids == (1, 2)


async def test_a_reset_in_the_middle_keeps_what_came_before(raw):
    async def script(writer):
        writer.write(CHUNKED + chunked(event("a", [1])))
        await writer.drain()
        await asyncio.sleep(0.05)
        reset(writer)

    sample = await one(raw, script)
    assert sample.error == "reset" and sample.token_ids == (1,) and not sample.completed


async def test_a_reset_before_any_answer(raw):
    async def script(writer):
        reset(writer)

    sample = await one(raw, script)
    assert sample.error == "reset" and sample.http_status is None


async def test_a_broken_chunked_body_is_a_reset(raw):
    sample = await said(raw, CHUNKED + chunked(event("a", [1], "stop")))
    assert sample.error == "reset" and sample.token_ids == (1,)


async def test_nobody_listening():
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    (sample,) = await drive(f"http://127.0.0.1:{port}", plan_of())
    assert sample.error == "connect" and sample.sent_s is not None


@pytest.mark.parametrize(
    ("status", "error"), [(500, "http_5xx"), (503, "http_5xx"), (404, "http_4xx"), (302, "http_3xx")]
)
async def test_error_statuses(raw, status, error):
    head = f"HTTP/1.1 {status} No\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 4\r\n\r\nsick".encode()
    sample = await said(raw, head)
    assert sample.error == error and sample.http_status == status and "sick" in sample.detail
    summary = summarize([sample], 5)
    assert summary.requests.failed == 1 and summary.requests.failures == {error: 1}


@pytest.mark.parametrize(
    "event_bytes",
    [
        b"data: {not json\n\n",
        b"data: [1]\n\n",
        b'data: {"choices":{}}\n\n',
        b'data: {"choices":[{"text":5}]}\n\n',
        b'data: {"choices":[{"text":"a","token_ids":["1"]}]}\n\n',
        b'data: {"choices":[{"text":"a","token_ids":[true]}]}\n\n',
        b'data: {"choices":[{"text":"a","token_ids":[-1]}]}\n\n',
        b'data: {"choices":[{"text":"a","token_ids":[2147483648]}]}\n\n',
        b"data: " + b"[" * 100_000 + b"\n\n",
        DONE + event("more", [9]),
    ],
)
async def test_malformed_streams(raw, event_bytes):
    sample = await said(raw, HEAD + event("a", [1], "stop") + event_bytes)
    assert sample.error == "malformed" and sample.token_ids == (1,) and not sample.completed
    assert len(sample.detail) <= 200


async def test_not_http_is_malformed(raw):
    assert (await said(raw, b"SSH-2.0-OpenSSH_9.2\r\n\r\n")).error == "malformed"


async def test_an_error_event_is_named(raw):
    sample = await said(raw, HEAD + event("a", [1]) + b'data: {"error":{"message":"oom"}}\n\n' + DONE)
    assert sample.error == "error_event" and "oom" in sample.detail


@pytest.mark.parametrize("tail", [b"", event("b", [2], "length"), DONE])
async def test_an_end_without_reason_or_marker_is_incomplete(raw, tail):
    sample = await said(raw, HEAD + event("a", [1]) + tail)
    assert sample.error == "incomplete" and not sample.completed


async def test_a_usage_chunk_and_its_claims_are_ignored(raw):
    usage = b'data: {"choices":[],"usage":{"completion_tokens":9999}}\n\n'
    sample = await said(raw, HEAD + event("a", [1], "stop") + usage + DONE)
    assert sample.completed and summarize([sample], 1.0).tokens == 1


async def test_the_environment_cannot_redirect_the_client(raw, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert (await said(raw, HEAD + event("a", [1], "stop") + DONE)).completed


async def test_a_url_that_is_none_is_refused():
    with pytest.raises(BadRequest, match="not an http URL"):
        await drive("127.0.0.1:80", plan_of())


def test_a_plan_reaches_past_its_window_never():
    with pytest.raises(ValueError, match="not before the end of the window"):
        plan_of(2, gap_s=5.0)


def test_a_plan_survives_json():
    plan = plan_of(3, gap_s=0.1)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


async def run_cli(*arguments: str) -> tuple[int, str]:
    command = (sys.executable, "-I", "-m", "vibeserve.lab.load", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
    _, stderr = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, stderr.decode()


async def test_the_command_writes_samples_and_summary(honest, tmp_path):
    server = await honest()
    at_s = poisson(40, 0.5, seed=1)
    body = {"prompt": "a", "max_tokens": 3}
    plan = Plan(requests=tuple(Request(at_s=at, path="/v1/completions", body=body) for at in at_s), window_s=0.5)
    (tmp_path / "plan.json").write_text(plan.model_dump_json())
    out = tmp_path / "out.json"
    code, stderr = await run_cli(
        "--url", server.url, "--plan", str(tmp_path / "plan.json"), "--out", str(out), "--drain-s", "5"
    )
    assert (code, stderr) == (0, "")
    result = json.loads(out.read_text())
    samples = [Sample.model_validate(sample) for sample in result["samples"]]
    assert len(samples) == len(at_s) and all(sample.completed for sample in samples)
    assert result["summary"]["requests"]["completed"] == len(at_s)


async def test_a_dead_server_is_a_result_not_an_error(tmp_path):
    (tmp_path / "plan.json").write_text(plan_of(window_s=0.1).model_dump_json())
    out = tmp_path / "out.json"
    code, _ = await run_cli("--url", "http://127.0.0.1:9", "--plan", str(tmp_path / "plan.json"), "--out", str(out))
    assert code == 0 and json.loads(out.read_text())["samples"][0]["error"] == "connect"


@pytest.mark.parametrize(
    ("text", "url", "complaint"),
    [
        (
            '{"requests":[{"at_s":-1,"path":"/a","body":{}}],"window_s":1}',
            "http://127.0.0.1:9",
            "requests.0.at_s",
        ),
        ("{", "http://127.0.0.1:9", "not valid"),
        ('{"requests":[],"window_s":1}', "nonsense", "not an http URL"),
    ],
)
async def test_bad_arguments_give_one_line(tmp_path, text, url, complaint):
    (tmp_path / "plan.json").write_text(text)
    code, stderr = await run_cli(
        "--url", url, "--plan", str(tmp_path / "plan.json"), "--out", str(tmp_path / "out.json")
    )
    assert code == 2 and complaint in stderr and len(stderr.strip().splitlines()) == 1
