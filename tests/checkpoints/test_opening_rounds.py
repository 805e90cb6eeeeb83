"""Opening rounds: one at a time, on an open issue, with nothing in the workspace ever lost."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from round_arguments import CONTRACT, DISCARD, PROMOTE, Call, Submit

import ledger_records
from vibeserve.checkpoints.opening import open_round
from vibeserve.core.errors import BadRequest, InfrastructureFailed, NotFound, Refused, VibeServeError
from vibeserve.core.run import Run, create_run, open_run
from vibeserve.core.session import Session
from vibeserve.issues.filing import file_issue
from vibeserve.lab.trees import repository_of, settle, workspace


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_round_claims_its_issue(call: Call, opened: dict[str, Any], issue: str, run: Run) -> None:
    assert opened["round"] == "R1"
    assert (opened["base"], opened["attempts"]) == ("reference", 3)
    shown = call("judge", "show_issue", issue=issue)
    assert (shown["status"], shown["round"]) == ("in_progress", "R1")
    record = run.ledger.last("round.opened")
    assert record is not None
    assert record.subject == "R1"
    assert record.body["base_tree"] == opened["base_tree"]


def test_only_one_round_is_open(call: Call, opened: dict[str, Any]) -> None:
    other = call("human", "file_issue", kind="bug", title="Another")["issue"]
    with pytest.raises(Refused, match="Round R1 is open on issue I1") as refusal:
        call("orchestrator", "open_round", issue=other, **CONTRACT)
    assert "close_round" in refusal.value.next_step


@pytest.mark.parametrize("status", ["blocked", "parked", "abandoned"])
def test_the_issue_must_be_open(call: Call, issue: str, status: str) -> None:
    call("orchestrator", "update_issue", issue=issue, version=1, status=status)
    with pytest.raises(Refused, match=f"is {status}, not open"):
        call("orchestrator", "open_round", issue=issue, **CONTRACT)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"issue": "I9"}, NotFound, "no issue 'I9'"),
        ({"base": "R9"}, NotFound, "no promoted checkpoint"),
        ({"base": "f" * 40}, NotFound, "no promoted checkpoint"),
        ({"attempts": 0}, BadRequest, "attempts is 0"),
        ({"attempts": 11}, BadRequest, "attempts is 11"),
        ({"hypothesis": " "}, BadRequest, "hypothesis is empty"),
        ({"hypothesis": "x" * 601}, BadRequest, "601 bytes, more than 600"),
        ({"criteria": []}, BadRequest, "criteria is empty"),
        ({"criteria": ["x"] * 7}, BadRequest, "7 entries, more than 6"),
    ],
)
def test_wrong_arguments_open_nothing(
    call: Call, issue: str, run: Run, changed: dict[str, Any], error: type[VibeServeError], message: str
) -> None:
    with pytest.raises(error, match=message):
        call("orchestrator", "open_round", **({"issue": issue} | CONTRACT | changed))
    assert run.ledger.count("round.opened") == 0


@pytest.mark.parametrize("role", ["implementer", "judge", "evaluator"])
def test_others_neither_open_nor_close(call: Call, issue: str, role: str) -> None:
    with pytest.raises(Refused, match="is not for the role"):
        call(role, "open_round", issue=issue, **CONTRACT)
    with pytest.raises(Refused, match="is not for the role"):
        call(role, "close_round", **DISCARD)


def test_what_stood_in_the_workspace_is_kept(call: Call, issue: str, run: Run, tmp_path: Path) -> None:
    (run.layout.workspace / "draft.py").write_text("unsubmitted")
    opened = call("orchestrator", "open_round", issue=issue, **CONTRACT)
    assert names(run.layout.workspace) == []
    repository_of(run).checkout(opened["workspace_snapshot"], tmp_path / "kept")
    assert (tmp_path / "kept" / "draft.py").read_text() == "unsubmitted"


def test_what_no_tree_can_hold_is_moved_aside(call: Call, issue: str, run: Run) -> None:
    (run.layout.workspace / "draft.py").write_text("unsubmitted")
    os.mkfifo(run.layout.workspace / "pipe")
    opened = call("orchestrator", "open_round", issue=issue, **CONTRACT)
    assert "workspace_snapshot" not in opened
    assert names(run.layout.set_aside / opened["set_aside"]) == ["draft.py", "pipe"]
    assert names(run.layout.workspace) == []


def test_the_workspace_stays_the_same_folder(call: Call, issue: str, run: Run) -> None:
    before = run.layout.workspace.stat().st_ino
    call("orchestrator", "open_round", issue=issue, **CONTRACT)
    assert run.layout.workspace.stat().st_ino == before


def test_a_target_may_ship_a_start(
    tmp_path: Path, target_folder: Path, session: Callable[..., Session], run: Run
) -> None:
    start = target_folder / "start" / "engine"
    start.mkdir(parents=True)
    (start / "serve.py").write_text("an engine to be specialized")
    made = create_run(target_folder, "tiny", run.model, "0" * 64, tmp_path / "with-start")
    planner = Session(made, session("orchestrator").actor)
    file_issue(planner, "perf", "Specialize it", "", [], 2, [], None, [], None, None)
    assert (made.layout.workspace / "engine" / "serve.py").stat().st_mode & 0o200
    assert made.layout.workspace.stat().st_mode & 0o200
    opened = open_round(planner, "I1", "h", ["c"], None, 3)
    assert opened.base == "reference"
    assert names(made.layout.workspace) == ["engine", "engine/serve.py"]
    assert opened.workspace_snapshot == opened.base_tree
    made.database.close()


def test_the_next_round_starts_from_the_newest_checkpoint(
    call: Call, submit: Submit, opened: dict[str, Any], session: Callable[..., Session], run: Run
) -> None:
    first = submit(serve="one")
    ledger_records.all_evidence(session("judge"), first["candidate"])
    call("orchestrator", "close_round", **PROMOTE)
    call("human", "file_issue", kind="perf", title="Second")
    (run.layout.workspace / "serve.py").write_text("spoilt")
    second = call("orchestrator", "open_round", issue="I2", **CONTRACT)
    assert second["base"] == second["base_tree"] == first["tree"]
    assert (run.layout.workspace / "serve.py").read_text() == "one"
    call("orchestrator", "close_round", **DISCARD)
    for base in ("R1", first["tree"], first["tree"][:10]):
        assert call("orchestrator", "open_round", issue="I2", base=base, **CONTRACT)["base"] == first["tree"]
        call("orchestrator", "close_round", **DISCARD)
    assert call("human", "open_round", issue="I2", base="reference", **CONTRACT)["base"] == "reference"
    assert names(run.layout.workspace) == []


def test_of_many_at_once_one_opens_the_round(call: Call, issue: str, run: Run) -> None:
    outcomes: list[str] = []

    def attempt() -> None:
        try:
            outcomes.append(str(call("orchestrator", "open_round", issue=issue, **CONTRACT)["round"]))
        except Refused:
            outcomes.append("refused")
        finally:
            run.database.close()

    threads = [threading.Thread(target=attempt) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["R1", *["refused"] * 4]


def test_a_reset_that_was_cut_off_is_done_by_whoever_comes_next(
    call: Call, issue: str, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As after a kill between the transaction and the checkout, with the workspace half emptied."""
    (run.layout.workspace / "old.py").write_text("old")
    (run.layout.workspace / "older.py").write_text("older")

    class Killed(BaseException):
        pass

    def killed(folder: Path) -> None:
        (folder / "old.py").unlink()
        raise Killed

    with monkeypatch.context() as cut:
        cut.setattr(workspace, "empty_folder", killed)
        with pytest.raises(Killed):
            call("orchestrator", "open_round", issue=issue, **CONTRACT)
    assert run.ledger.count("round.opened") == 1
    assert names(run.layout.workspace) == ["older.py"]
    again = open_run(run.layout.root)
    settle(again)
    assert names(run.layout.workspace) == []
    (run.layout.workspace / "new.py").write_text("new")
    settle(again)
    assert names(run.layout.workspace) == ["new.py"]
    again.database.close()
    opened = run.ledger.records("round.opened")[0]
    repository_of(run).checkout(opened.body["workspace_snapshot"], tmp_path / "kept")
    assert names(tmp_path / "kept") == ["old.py", "older.py"]
    [late] = call("human", "show_round")["kept_late"]
    repository_of(run).checkout(late, tmp_path / "late")
    assert names(tmp_path / "late") == ["older.py"]


def test_what_no_tree_can_hold_is_kept_late_too(
    call: Call, issue: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as cut:
        cut.setattr("vibeserve.checkpoints.opening.settle_locked", killed)
        with pytest.raises(Killed):
            call("orchestrator", "open_round", issue=issue, **CONTRACT)
    assert run.ledger.count("round.opened") == 0  # what was due before is settled first
    original = workspace.settle_locked
    calls: list[Run] = []

    def killed_second(settled: Run) -> None:
        calls.append(settled)
        if len(calls) == 2:
            raise Killed
        original(settled)

    with monkeypatch.context() as cut:
        cut.setattr("vibeserve.checkpoints.opening.settle_locked", killed_second)
        with pytest.raises(Killed):
            call("orchestrator", "open_round", issue=issue, **CONTRACT)
    os.mkfifo(run.layout.workspace / "pipe")
    assert call("human", "show_round")["kept_late"] == ["R1-late-1"]
    assert names(run.layout.set_aside / "R1-late-1") == ["pipe"]
    assert names(run.layout.workspace) == []


def test_a_reset_writes_through_no_link(
    call: Call,
    submit: Submit,
    opened: dict[str, Any],
    session: Callable[..., Session],
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Somebody who still writes to the workspace puts a link where the base has a folder."""
    (run.layout.workspace / "lib").mkdir()
    (run.layout.workspace / "lib" / "hook.py").write_text("chosen by the candidate")
    first = submit(serve="one")
    ledger_records.all_evidence(session("judge"), first["candidate"])
    call("orchestrator", "close_round", **PROMOTE)
    call("human", "file_issue", kind="perf", title="Second")
    outside = tmp_path / "outside"
    outside.mkdir()
    emptied = workspace.empty_folder

    def race(folder: Path) -> None:
        emptied(folder)
        (folder / "lib").symlink_to(outside)

    with monkeypatch.context() as racing:
        racing.setattr(workspace, "empty_folder", race)
        with pytest.raises(InfrastructureFailed, match="could not be reset") as failed:
            call("human", "open_round", issue="I2", **CONTRACT)
    assert "repeated" in failed.value.next_step
    assert names(outside) == []
    settle(run)
    assert names(run.layout.workspace) == ["lib", "lib/hook.py", "serve.py"]
    assert list(run.layout.scratch.iterdir()) == []
