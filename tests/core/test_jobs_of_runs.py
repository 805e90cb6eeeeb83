"""Jobs: waited on from any process, ended by whatever ends them, never left running by a dead owner."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from vibeserve.core import jobs
from vibeserve.core.errors import CandidateFailed, InfrastructureFailed, NotFound
from vibeserve.core.run import Run, open_run
from vibeserve.core.session import Session
from vibeserve.core.tools import Result, Toolbox

Sessions = Callable[..., Session]
box = Toolbox("working", "Works.")
release = threading.Event()

OWNER = """
import sys, threading
from pathlib import Path
from vibeserve.core import jobs
from vibeserve.core.roles import Actor, Role
from vibeserve.core.run import open_run
from vibeserve.core.session import Session
session = Session(open_run(Path(sys.argv[1])), Actor(Role.JUDGE, "S-owner"))
print(jobs.start(session, "work", lambda inner: threading.Event().wait() and {}), flush=True)
threading.Event().wait()
"""


class Worked(Result):
    """What work returns."""

    answer: int


@box.tool("work", long_running=True)
def work(session: Session, answer: int = 42) -> Worked:
    """Work until released."""
    session.progress("halfway")
    release.wait()
    if answer < 0:
        raise CandidateFailed("It gave a negative answer.", "Send a positive one.", evidence=f"{answer}")
    if answer == 0:
        raise ZeroDivisionError("a defect")
    return Worked(answer=answer)


@pytest.fixture(autouse=True)
def unreleased() -> None:
    release.clear()


def call(session: Session, **arguments: Any) -> dict[str, Any]:
    return box.tools[0].call(session, arguments)


def test_work_that_outlasts_the_wait_goes_on(session: Sessions) -> None:
    judge = session("judge")
    running = call(judge, wait_s=0)
    assert (running["status"], running["job"]) == ("running", "J1")
    release.set()
    assert call(session("human"), job="J1", wait_s=60) == {"answer": 42}
    assert call(judge, job="J1", answer=7) == {"answer": 42}


def test_whoever_waits_hears_of_it(session: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "REPORT_EVERY_S", 0.01)
    heard: list[str] = []

    def on_wait(_elapsed_s: float, message: str) -> None:
        heard.append(message)
        if message == "halfway":
            release.set()

    assert box.tools[0].call(session("judge"), {}, on_wait) == {"answer": 42}
    assert heard[-1] == "halfway"


def test_errors_of_the_work_reach_who_waits(session: Sessions) -> None:
    release.set()
    with pytest.raises(CandidateFailed, match="negative answer") as failure:
        call(session("judge"), answer=-1)
    assert (failure.value.next_step, failure.value.evidence) == ("Send a positive one.", "-1")
    with pytest.raises(InfrastructureFailed, match="ZeroDivisionError: a defect"):
        call(session("judge"), answer=0)


def test_a_job_that_is_not_there(session: Sessions) -> None:
    with pytest.raises(NotFound, match="no job J9 of work"):
        call(session("judge"), job="J9")


@pytest.fixture
def orphan(run: Run) -> str:
    """A job whose owner was killed."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(run.layout.root)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    job = owner.stdout.readline().strip()
    assert run.database.read("SELECT status FROM jobs")[0]["status"] == "running"
    owner.kill()
    owner.communicate()
    return job


def test_the_owners_death_ends_the_job(session: Sessions, run: Run, orphan: str) -> None:
    for _ in range(2):
        with pytest.raises(InfrastructureFailed, match="ended with the process that owned it") as failure:
            call(session("judge"), job=orphan, wait_s=60)
    assert "without `job`" in failure.value.next_step
    [record] = run.ledger.records("infrastructure.failed")
    assert record.body["job"] == orphan


def test_a_sweep_finds_the_dead_and_spares_the_living(session: Sessions, run: Run, orphan: str) -> None:
    living = call(session("judge"), wait_s=0)["job"]
    again = open_run(run.layout.root)
    assert jobs.sweep(again) == [orphan]
    assert jobs.sweep(again) == []
    again.database.close()
    release.set()
    assert call(session("judge"), job=living, wait_s=60) == {"answer": 42}
    assert run.ledger.count("infrastructure.failed") == 1


def test_a_job_whose_client_left_leaves_a_trace(session: Sessions, run: Run) -> None:
    judge = session("judge")
    job = call(judge, wait_s=0)["job"]
    judge.cancelled.set()
    release.set()
    with contextlib.suppress(InfrastructureFailed):
        call(judge, wait_s=30, job=job)
    assert run.ledger.last("infrastructure.failed") is None, "a job that finished all the same is no failure"
    release.clear()
    job = call(judge, wait_s=0, answer=-1)["job"]
    release.set()
    with pytest.raises(CandidateFailed):
        call(judge, wait_s=30, job=job)
    judge.close()
    traces = run.ledger.records("infrastructure.failed")
    assert [record.body["job"] for record in traces] == [job]


def test_an_end_that_cannot_be_stored_still_reaches_the_waiter(session: Sessions, run: Run) -> None:
    """As on a full disk: the job has ended, whatever the database takes."""
    judge = session("judge")
    job = call(judge, wait_s=0)["job"]
    run.database.connection().execute(
        "CREATE TRIGGER no_room BEFORE UPDATE OF status ON jobs BEGIN SELECT raise(FAIL, 'disk is full'); END"
    )
    release.set()
    assert call(judge, wait_s=30, job=job)["answer"] == 42


def test_a_job_of_another_role_is_nobody_elses(session: Sessions) -> None:
    job = call(session("judge"), wait_s=0)["job"]
    with pytest.raises(NotFound, match="for you"):
        call(session("implementer"), wait_s=0, job=job)
    assert call(session("human"), wait_s=0, job=job)["status"] == "running"
    release.set()
