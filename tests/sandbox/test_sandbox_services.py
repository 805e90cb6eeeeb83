"""Services: started as the gate starts them, reachable in their session alone, gone with it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from fences import unfenced
from toy.fixtures import candidate_tree, submit
from vibeserve.core.errors import BadRequest, BudgetSpent, CandidateFailed, Conflict, InfrastructureFailed, NotFound
from vibeserve.core.processes import process_started
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.lab.serving import Service, launch
from vibeserve.sandbox import services
from vibeserve.sandbox.commands import run_command
from vibeserve.sandbox.services import service_logs, start_service, stop_service
from vibeserve.sandbox.workbench import workbench_of

OpenSession = Callable[[str], Session]
GET = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:{port}/health', timeout=5).read())"

ASK = """
import urllib.request as r
r.urlopen("http://127.0.0.1:8000/v1/completions", b'{"prompt": "x", "max_tokens": 1}').read()
"""


def get_health(session: Session, port: int = 8000) -> str:
    """What a command of the session gets from the service."""
    ended = run_command(session, ["python", "-c", GET.format(port=port)], 30)
    return unfenced(ended.stdout) + unfenced(ended.stderr)


def test_a_service_is_started_reached_shown_and_stopped(work_run: Run, open_session: OpenSession) -> None:
    session = open_session("implementer")
    started = start_service(session, None, 8000)
    assert (started.service, started.state, started.url) == ("svc-1", "running", "http://127.0.0.1:8000")
    assert "ok" in get_health(session)
    assert "serving in float32" in service_logs(session, None).log
    assert "refused" in get_health(open_session("human"))  # another session, another network
    stopped = stop_service(session, "svc-1")
    assert stopped.state == "stopped"
    assert "serving in float32" in work_run.artifacts.path(stopped.artifact or "").read_text()
    assert "refused" in get_health(session)
    assert stop_service(session, "svc-1").state == "stopped"
    assert start_service(session, None, 8000).service == "svc-2"


def test_the_public_benchmark_runs_against_a_service(open_session: OpenSession) -> None:
    session = open_session("implementer")
    start_service(session, None, 8000)
    line = (
        "python -I /target/benchmark/benchmark.py --url http://127.0.0.1:8000 --model /model --seed 1 "
        "--load /target/benchmark/load_tiny.json --out /tmp/out.json && "
        'python -c \'import json; print(json.dumps(json.load(open("/tmp/out.json"))["headline"]))\''
    )
    ended = run_command(session, line, 60)
    assert json.loads(unfenced(ended.stdout))["tokens"] > 0, ended.stderr


def test_a_shell_line_serves_too_and_may_hold_braces(open_session: OpenSession) -> None:
    session = open_session("implementer")
    serve = "python serve.py --port 9001 --model /model --dtype float32"
    line = f"""X='{{"a": 1}}'; echo "$X ${{HOME}}" && cd /workspace && {serve}"""
    assert start_service(session, line, 9001).url == "http://127.0.0.1:9001"
    assert "ok" in get_health(session, 9001)
    assert '{"a": 1} /tmp' in service_logs(session, "svc-1").log


def test_judge_and_evaluator_serve_the_candidate(work_run: Run, open_session: OpenSession) -> None:
    submit(work_run, "caches")
    candidate_tree("exits", work_run.layout.workspace)
    for role, place in (("judge", "read-only checkout of C1"), ("evaluator", "scratch copy of C1")):
        assert place in start_service(open_session(role), None, 8000).place


def test_a_taken_port_is_told(open_session: OpenSession) -> None:
    session = open_session("implementer")
    start_service(session, None, 8000)
    with pytest.raises(Conflict, match="8000 is taken by svc-1") as conflict:
        start_service(session, None, 8000)
    assert "stop_service(svc-1)" in conflict.value.next_step
    serve = "python serve.py --model /model --dtype float32 --port"
    both = f"{serve} 9001 & {serve} 9002"
    start_service(session, both, 9002)
    assert "ok" in get_health(session, 9001)
    with pytest.raises(Conflict, match="9001 is taken by another process"):
        start_service(session, None, 9001)


@pytest.mark.parametrize(
    ("engine", "said", "logged"),
    [
        ("exits", "exit status 1", "no kernel image"),
        ("never_healthy", "not healthy after 2 s", "compiling kernels"),
        ("floods", "more output than allowed", "xxx"),
    ],
)
def test_a_service_that_does_not_come_up_says_why(
    work_run: Run, open_session: OpenSession, engine: str, said: str, logged: str
) -> None:
    candidate_tree(engine, work_run.layout.workspace)
    session = open_session("implementer")
    with pytest.raises(CandidateFailed, match=said) as failed:
        start_service(session, None, 8000)
    assert logged in unfenced(failed.value.evidence)
    candidate_tree("honest", work_run.layout.workspace)
    assert start_service(session, None, 8000).state == "running"  # the port is free again


def test_a_service_that_ended_by_itself_is_told(work_run: Run, open_session: OpenSession) -> None:
    candidate_tree("crashes_at_once", work_run.layout.workspace)
    session = open_session("implementer")
    start_service(session, None, 8000)
    run_command(session, 'curl -d \'{"prompt": "x", "max_tokens": 1}\' http://127.0.0.1:8000/v1/completions', 30)
    shown = service_logs(session, "svc-1")
    assert (shown.state, shown.message) == ("ended", "The server died: exit status 4.")
    assert "illegal instruction" in unfenced(shown.log)


def test_the_launch_contract_sees_a_read_only_workspace(work_run: Run, open_session: OpenSession) -> None:
    candidate_tree("writes_outside", work_run.layout.workspace)
    session = open_session("implementer")
    start_service(session, None, 8000)
    assert "written: []" in stop_service(session, None).log
    assert not (work_run.layout.workspace / "planted").exists()


def test_services_end_with_their_session(work_run: Run, open_session: OpenSession) -> None:
    session = open_session("implementer")
    start_service(session, None, 8000)
    service = workbench_of(session).services["svc-1"].service
    living = {pid: process_started(pid) for pid in service.process.pids()}
    assert living
    session.close()
    assert all(process_started(pid) != started for pid, started in living.items())
    assert list(work_run.layout.scratch.iterdir()) == []


def test_a_service_that_comes_up_after_its_session_closed_is_stopped(
    work_run: Run, open_session: OpenSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_session("implementer")
    came_up: list[Service] = []

    def late(*arguments: Any, **options: Any) -> Service:
        came_up.append(launch(*arguments, **options))
        living.update({pid: process_started(pid) for pid in came_up[0].process.pids()})
        session.close()
        return came_up[0]

    living: dict[int, str] = {}
    monkeypatch.setattr(services, "launch", late)
    with pytest.raises(InfrastructureFailed, match="stopped with its session"):
        start_service(session, None, 8000)
    assert living
    assert not came_up[0].process.running()
    assert all(process_started(pid) != started for pid, started in living.items())


def test_services_are_few_and_named(open_session: OpenSession) -> None:
    session = open_session("implementer")
    with pytest.raises(NotFound, match="no service in this session"):
        service_logs(session, None)
    for port in range(8000, 8004):
        start_service(session, None, port)
    with pytest.raises(BudgetSpent, match="4 services"):
        start_service(session, None, 8004)
    with pytest.raises(NotFound, match="no service 'svc-9'"):
        stop_service(session, "svc-9")
    for port in (80, 70000):
        with pytest.raises(BadRequest, match="port"):
            start_service(session, None, port)
    with pytest.raises(BadRequest, match="empty"):
        start_service(session, " ", 8004)
