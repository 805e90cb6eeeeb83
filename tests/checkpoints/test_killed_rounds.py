"""kill -9 of a process that plays whole rounds: whoever comes next finds a whole state and goes on."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from round_arguments import DISCARD, PROMOTE, Call

from vibeserve.core.audit import audit
from vibeserve.core.evidence import open_round_record
from vibeserve.core.run import Run
from vibeserve.lab.trees import repository_of, settle

PLAY = """
import os
import signal
import sys
from itertools import count
from pathlib import Path
sys.path[:0] = sys.argv[2:4]
import ledger_records
from round_arguments import CONTRACT, PROMOTE
from vibeserve.checkpoints import closing, opening
from vibeserve.checkpoints.server import box as checkpoints
from vibeserve.core.roles import Actor, Role
from vibeserve.core.run import open_run
from vibeserve.core.session import Session
from vibeserve.issues.server import box as issues

run = open_run(Path(sys.argv[1]))
session = Session(run, Actor(Role.HUMAN, "S-player"))
tools = {tool.name: tool for box in (checkpoints, issues) for tool in box.tools}

def call(name, **arguments):
    result = tools[name].call(session, arguments)
    print(name, flush=True)
    return result

def die_once_recorded(module, name, kind):
    # SIGKILL between the commit of the first record of that kind and what is settled after it
    really = getattr(module, name)
    def settle(run):
        if run.ledger.count(kind):
            os.kill(os.getpid(), signal.SIGKILL)
        really(run)
    setattr(module, name, settle)

if sys.argv[4] == "round.opened":
    os.mkfifo(run.layout.workspace / "pipe")
    die_once_recorded(opening, "settle_locked", "round.opened")
if sys.argv[4] == "round.closed":
    die_once_recorded(closing, "settle", "round.closed")
for number in count():
    issue = call("file_issue", kind="perf", title=f"Idea {run.ledger.count('issue.filed')}")["issue"]
    call("open_round", issue=issue, **CONTRACT)
    (run.layout.workspace / "serve.py").write_text(f"candidate of {issue}")
    candidate = call("submit_candidate")["candidate"]
    ledger_records.all_evidence(session, candidate)
    call("close_round", **PROMOTE)
"""
HERE = Path(__file__).resolve().parent


@pytest.mark.parametrize("answers", [5, 6, 7, 8, 9])
def test_killed_anywhere_the_rounds_go_on(run: Run, call: Call, answers: int) -> None:
    """The player is killed right after so many answers, in the middle of what comes next."""
    player = subprocess.Popen(_play(run), stdout=subprocess.PIPE, text=True)
    assert player.stdout is not None
    for _ in range(answers):
        player.stdout.readline()
    player.kill()
    player.communicate()
    settle(run)
    assert audit(run).ok, audit(run).problem
    repository = repository_of(run)
    for record in run.ledger.records("checkpoint.promoted"):
        assert repository.ref(f"refs/checkpoints/{record.body['round']}") == record.body["commit"]
    opened = open_round_record(run.ledger)
    if opened is not None:
        _go_on(run, call, opened.body["base_tree"])
    call("human", "file_issue", kind="perf", title="After the kill")
    newest = run.ledger.count("issue.filed")
    call("human", "open_round", issue=f"I{newest}", hypothesis="h", criteria=["c"])
    promoted = run.ledger.last("checkpoint.promoted")
    assert promoted is not None
    assert repository.snapshot(run.layout.workspace) == promoted.subject


def test_killed_between_the_opening_and_the_workspace(run: Run, call: Call) -> None:
    """What no tree can hold still lies in the workspace; it is moved aside by whoever comes next, as recorded."""
    died = subprocess.run(_play(run, "round.opened"), capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    [opened] = run.ledger.records("round.opened")
    assert opened.body["set_aside"] == "before-R1"
    assert [path.name for path in run.layout.workspace.iterdir()] == ["pipe"]
    assert not run.layout.set_aside.exists()
    settle(run)
    assert [path.name for path in (run.layout.set_aside / "before-R1").iterdir()] == ["pipe"]
    assert repository_of(run).snapshot(run.layout.workspace) == opened.body["base_tree"]
    assert "kept_late" not in call("human", "show_round")
    assert audit(run).ok, audit(run).problem


def test_killed_between_the_closing_and_the_checkpoint(run: Run, call: Call) -> None:
    """The promotion stands in the ledger; its ref is set by whoever comes next."""
    died = subprocess.run(_play(run, "round.closed"), capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    [promoted] = run.ledger.records("checkpoint.promoted")
    repository = repository_of(run)
    assert repository.ref("refs/checkpoints/R1") is None
    call("human", "file_issue", kind="perf", title="After the kill")
    assert call("human", "open_round", issue="I2", hypothesis="h", criteria=["c"])["base"] == promoted.subject
    assert repository.ref("refs/checkpoints/R1") == promoted.body["commit"]
    assert audit(run).ok, audit(run).problem


def _play(run: Run, die_after: str = "") -> list[str]:
    return [sys.executable, "-c", PLAY, str(run.layout.root), str(HERE), str(HERE.parent), die_after]


def _go_on(run: Run, call: Call, base_tree: str) -> None:
    """The open round is as it was left: its workspace is the base, or what was edited since."""
    here = repository_of(run).snapshot(run.layout.workspace)
    shown = call("human", "show_round")
    if shown["candidates"]:
        assert here == shown["candidates"][-1]["tree"]
    elif here != base_tree:
        assert call("human", "submit_candidate")["tree"] == here
    closing = PROMOTE if shown["next_step"].endswith("close_round.") else DISCARD
    call("human", "close_round", **closing | {"hypothesis": "inconclusive"})
