"""Submitting: the workspace becomes a tree, within the round's attempts, and only if it brings something new."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from round_arguments import CONTRACT, DISCARD, Call, Submit

import ledger_records
from vibeserve.core.errors import BadRequest, BudgetSpent, Refused
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.lab.trees import Repository, repository_of


def test_a_candidate_is_the_tree_of_the_workspace(
    submit: Submit, opened: dict[str, Any], run: Run, tmp_path: Path
) -> None:
    sent = submit("static cache", serve="print()\r\n", cache="x = 1\n")
    assert sent == {
        "candidate": "C1",
        "round": "R1",
        "tree": sent["tree"],
        "attempt": 1,
        "attempts_left": 2,
        "files": ["cache.py", "serve.py"],
        "more_files": 0,
    }
    (run.layout.workspace / "serve.py").write_text("edited after it was submitted")
    repository_of(run).checkout(sent["tree"], tmp_path / "fresh")
    assert (tmp_path / "fresh" / "serve.py").read_bytes() == b"print()\r\n"
    record = run.ledger.last("candidate.submitted", sent["tree"])
    assert record is not None
    assert record.body["base"] == "reference"
    assert record.body["target_digest"] == run.target_digest


def test_no_round_closes_or_opens_while_the_workspace_is_read(
    call: Call, submit: Submit, opened: dict[str, Any], run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else the candidate of one round would be the workspace of another."""
    order: list[str] = []
    snapshot = Repository.snapshot

    def next_round() -> None:
        try:
            call("human", "close_round", **DISCARD)
            order.append("closed")
            call("human", "open_round", issue="I1", **CONTRACT)
        finally:
            run.database.close()

    other = threading.Thread(target=next_round)

    def slow_snapshot(repository: Repository, folder: Path) -> str:
        if not other.ident:
            other.start()
            other.join(1)
        order.append("read")
        return snapshot(repository, folder)

    monkeypatch.setattr(Repository, "snapshot", slow_snapshot)
    sent = submit(serve="one")
    other.join()
    assert order[:2] == ["read", "closed"]
    assert (sent["round"], call("human", "show_round")["round"]) == ("R1", "R2")
    repository_of(run).checkout(sent["tree"], tmp_path / "fresh")
    assert (tmp_path / "fresh" / "serve.py").read_text() == "one"


def test_without_a_round_nothing_is_submitted(submit: Submit, issue: str) -> None:
    with pytest.raises(Refused, match="No round is open") as refusal:
        submit(serve="x")
    assert "open_round" in refusal.value.next_step


def test_only_implementers_submit(call: Call, opened: dict[str, Any]) -> None:
    for role in ("orchestrator", "judge", "evaluator"):
        with pytest.raises(Refused, match="is not for the role"):
            call(role, "submit_candidate")


def test_the_base_is_no_candidate(submit: Submit, opened: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="unchanged: it is the base of round R1"):
        submit()


def test_the_same_tree_twice_is_one_candidate(submit: Submit, opened: dict[str, Any]) -> None:
    submit(serve="one")
    with pytest.raises(Refused, match="unchanged since C1"):
        submit()


def test_a_failure_is_final_for_its_tree(
    call: Call, submit: Submit, opened: dict[str, Any], session: Callable[..., Session]
) -> None:
    """Also in a later round, and also when the verdict alone failed it."""
    submit(serve="one")
    ledger_records.gate(session("judge"), "C1", "failed")
    submit(serve="two")
    ledger_records.gate(session("judge"), "C2")
    ledger_records.verdict(session("judge"), "C2", "fail")
    with pytest.raises(Refused, match="exactly C1, which failed"):
        submit(serve="one")
    call("orchestrator", "close_round", **DISCARD)
    call("orchestrator", "open_round", issue="I1", **CONTRACT)
    with pytest.raises(Refused, match="exactly C2, which failed"):
        submit(serve="two")
    assert submit(serve="three")["candidate"] == "C3"


def test_attempts_are_counted(call: Call, submit: Submit, issue: str) -> None:
    call("orchestrator", "open_round", issue=issue, attempts=2, **CONTRACT)
    submit(serve="one")
    assert submit(serve="two")["attempts_left"] == 0
    with pytest.raises(BudgetSpent, match="used all of its 2 attempts"):
        submit(serve="three")


def test_a_hostile_workspace_is_refused_and_costs_no_attempt(
    call: Call, submit: Submit, opened: dict[str, Any], run: Run
) -> None:
    (run.layout.workspace / "lib" / ".git").mkdir(parents=True)
    with pytest.raises(Refused, match=r"'lib/\.git' is git's own"):
        submit(serve="x")
    (run.layout.workspace / "lib" / ".git").rmdir()
    os.mkfifo(run.layout.workspace / "lib" / "pipe")
    with pytest.raises(Refused, match="'lib/pipe' is neither"):
        submit(serve="x")
    assert call("human", "show_round")["attempts_left"] == 3


def test_a_note_has_its_limit(submit: Submit, opened: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match="note has 1001 bytes"):
        submit("x" * 1001, serve="x")
