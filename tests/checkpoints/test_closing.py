"""Closing rounds: promotion needs evidence on the very tree, and every refusal names what supplies it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from round_arguments import CONTRACT, DISCARD, PROMOTE, Call, Submit

import ledger_records
from vibeserve.core.audit import audit
from vibeserve.core.errors import BadRequest, NotFound, Refused
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.lab.trees import repository_of, settle, workspace

Sessions = Callable[..., Session]


def test_a_promotion_is_a_checkpoint(
    call: Call, submit: Submit, opened: dict[str, Any], session: Sessions, run: Run
) -> None:
    sent = submit(serve="one")
    ledger_records.all_evidence(session("judge"), "C1")
    closed = call("orchestrator", "close_round", **PROMOTE)
    assert closed == {
        "round": "R1",
        "issue": "I1",
        "decision": "promote",
        "hypothesis_status": "supported",
        "issue_status": "done",
        "candidate": "C1",
        "tree": sent["tree"],
        "checkpoint": sent["tree"],
    }
    record = run.ledger.last("checkpoint.promoted", sent["tree"])
    assert record is not None
    assert record.body["parent"] == "reference"
    repository = repository_of(run)
    assert repository.ref("refs/checkpoints/R1") == record.body["commit"]
    message = repository.git.run("log", "-1", "--format=%B%T", record.body["commit"]).decode()
    assert message.startswith("R1: Batching doubles tokens/s.")
    assert sent["tree"] in message
    assert call("human", "show_issue", issue="I1")["status"] == "done"
    assert audit(run).ok
    assert audit(run).promotions == 1


def test_checkpoints_form_a_history(
    call: Call, submit: Submit, opened: dict[str, Any], session: Sessions, run: Run
) -> None:
    submit(serve="one")
    ledger_records.all_evidence(session("judge"), "C1")
    call("orchestrator", "close_round", **PROMOTE)
    call("human", "file_issue", kind="perf", title="Second")
    call("orchestrator", "open_round", issue="I2", **CONTRACT)
    submit(serve="two")
    ledger_records.all_evidence(session("judge"), "C2")
    call("orchestrator", "close_round", **PROMOTE)
    git = repository_of(run).git
    parents = git.run("log", "--format=%s", "refs/checkpoints/R2").decode().splitlines()
    assert parents == ["R2: Batching doubles tokens/s.", "R1: Batching doubles tokens/s."]


@pytest.mark.parametrize(
    ("supplied", "missing"),
    [
        ((), ["run_gate", "submit_verdict", "measure"]),
        (("gate",), ["submit_verdict", "measure"]),
        (("gate", "verdict"), ["measure"]),
        (("verdict", "measurement"), ["run_gate"]),
    ],
)
def test_a_promotion_lacks_what_it_lacks(
    call: Call,
    submit: Submit,
    opened: dict[str, Any],
    session: Sessions,
    run: Run,
    supplied: tuple[str, ...],
    missing: list[str],
) -> None:
    submit(serve="one")
    for name in supplied:
        getattr(ledger_records, name)(session("judge"), "C1")
    with pytest.raises(Refused, match="C1 cannot be promoted") as refusal:
        call("orchestrator", "close_round", **PROMOTE | {"hypothesis": "untested"})
    for tool in ("run_gate", "submit_verdict", "measure,"):
        assert (tool in refusal.value.message) == (tool.strip(",") in missing)
    assert run.ledger.count("round.closed") == run.ledger.count("checkpoint.promoted") == 0


@pytest.mark.parametrize("outcome", ["failed", "inconclusive"])
def test_only_a_passing_gate_promotes(
    call: Call, submit: Submit, opened: dict[str, Any], session: Sessions, outcome: str
) -> None:
    submit(serve="one")
    ledger_records.all_evidence(session("judge"), "C1")
    ledger_records.gate(session("judge"), "C1", outcome)
    with pytest.raises(Refused, match="a passing gate"):
        call("orchestrator", "close_round", **PROMOTE)


def test_evidence_on_another_tree_does_not_count(
    call: Call, submit: Submit, opened: dict[str, Any], session: Sessions
) -> None:
    submit(serve="one")
    ledger_records.all_evidence(session("judge"), "C1")
    submit(serve="two")
    with pytest.raises(Refused, match="C2 cannot be promoted"):
        call("orchestrator", "close_round", **PROMOTE)
    assert call("orchestrator", "close_round", candidate="C1", **PROMOTE)["candidate"] == "C1"


def test_evidence_on_another_target_does_not_count(
    call: Call, submit: Submit, opened: dict[str, Any], session: Sessions, run: Run
) -> None:
    sent = submit(serve="one")
    ledger_records.verdict(session("judge"), "C1")
    ledger_records.measurement(session("judge"), "C1")
    body = {"gate": "G1", "candidate": "C1", "round": "R1", "tree": sent["tree"], "stages": []}
    with run.tx() as tx:
        session("judge").append(tx, "gate.passed", sent["tree"], body | {"target_digest": "f" * 64})
    with pytest.raises(Refused, match="a passing gate"):
        call("orchestrator", "close_round", **PROMOTE)


def test_a_rejected_candidate_is_not_promoted(
    call: Call, submit: Submit, opened: dict[str, Any], session: Sessions
) -> None:
    submit(serve="one")
    ledger_records.all_evidence(session("judge"), "C1")
    ledger_records.verdict(session("judge"), "C1", "fail", "keyed by prompt")
    with pytest.raises(Refused, match="a passing verdict"):
        call("orchestrator", "close_round", **PROMOTE)


def test_without_a_candidate_nothing_is_promoted(call: Call, opened: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="no candidate to promote"):
        call("orchestrator", "close_round", **PROMOTE | {"hypothesis": "untested"})


@pytest.mark.parametrize("hypothesis", ["supported", "refuted"])
def test_a_hypothesis_is_decided_by_a_measurement(
    call: Call, submit: Submit, opened: dict[str, Any], session: Sessions, hypothesis: str
) -> None:
    """A failed gate shows a bug, not that the idea is wrong."""
    submit(serve="one")
    ledger_records.gate(session("judge"), "C1", "failed")
    with pytest.raises(Refused, match=f"cannot be called {hypothesis}") as refusal:
        call("orchestrator", "close_round", **DISCARD | {"hypothesis": hypothesis})
    assert "measure" in refusal.value.next_step
    assert call("orchestrator", "close_round", **DISCARD)["hypothesis_status"] == "untested"


def test_a_measured_hypothesis_may_be_refuted(
    call: Call, submit: Submit, opened: dict[str, Any], session: Sessions
) -> None:
    submit(serve="one")
    ledger_records.all_evidence(session("judge"), "C1", ratio=0.8)
    closed = call("orchestrator", "close_round", **DISCARD | {"hypothesis": "refuted"})
    assert closed["hypothesis_status"] == "refuted"


def test_a_perf_issue_is_not_done_by_a_discard(call: Call, opened: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="I1 is a perf issue"):
        call("orchestrator", "close_round", **DISCARD | {"issue_status": "done"})


def test_an_old_checkpoint_does_not_make_a_perf_issue_done(
    call: Call, submit: Submit, opened: dict[str, Any], session: Sessions
) -> None:
    submit(serve="one")
    ledger_records.all_evidence(session("judge"), "C1")
    call("orchestrator", "close_round", **PROMOTE | {"issue_status": "reopen"})
    call("orchestrator", "open_round", issue="I1", **CONTRACT)
    submit(serve="two")
    ledger_records.all_evidence(session("judge"), "C2")
    with pytest.raises(Refused, match="a promoted checkpoint of its round"):
        call("orchestrator", "close_round", **DISCARD | {"issue_status": "done"})


@pytest.mark.parametrize("kind", ["bug", "refactor", "research"])
def test_other_issues_are_done_by_a_round_that_shows_something(
    call: Call, submit: Submit, session: Sessions, run: Run, kind: str
) -> None:
    call("orchestrator", "file_issue", kind=kind, title="Where does the time go")
    call("orchestrator", "open_round", issue="I1", **CONTRACT)
    submit(serve="one")
    ledger_records.all_evidence(session("judge"), "C1")
    call("orchestrator", "close_round", **DISCARD)
    call("orchestrator", "open_round", issue="I1", **CONTRACT)
    done = DISCARD | {"issue_status": "done"}
    with pytest.raises(Refused, match="round R2 has no gate, verdict or measurement") as refusal:
        call("orchestrator", "close_round", **done)
    assert "run_gate" in refusal.value.next_step
    submit(serve="two")
    ledger_records.gate(session("judge"), "C2", "inconclusive")
    with pytest.raises(Refused, match="round R2 has no gate"):
        call("orchestrator", "close_round", **done)
    assert run.ledger.count("round.closed") == 1
    ledger_records.gate(session("judge"), "C2", "failed")
    call("orchestrator", "close_round", **done)
    assert call("human", "show_issue", issue="I1")["status"] == "done"


@pytest.mark.parametrize("served", ["not_applicable", "inconclusive"])
def test_a_promotion_says_when_its_timed_answers_were_not_judged(
    call: Call, submit: Submit, opened: dict[str, Any], session: Sessions, served: str
) -> None:
    submit(serve="one")
    ledger_records.all_evidence(session("judge"), "C1")
    assert "served_note" not in call("orchestrator", "show_round")
    ledger_records.measurement(session("judge"), "C1", served=served)
    said = f"answers behind M2 were not judged (stage served: {served})"
    assert said in call("orchestrator", "show_round")["served_note"]
    assert said in call("orchestrator", "close_round", **PROMOTE)["served_note"]
    assert said in call("human", "show_round", round="R1")["served_note"]


@pytest.mark.parametrize(("issue_status", "status"), [("reopen", "open"), ("abandon", "abandoned")])
def test_the_issue_follows_the_round(call: Call, opened: dict[str, Any], issue_status: str, status: str) -> None:
    call("orchestrator", "close_round", **DISCARD | {"issue_status": issue_status})
    shown = call("human", "show_issue", issue="I1")
    assert (shown["status"], shown["version"]) == (status, 2)
    assert "round R1 closed: discard" in shown["history"][-1]["what"]


def test_a_discarded_candidate_stays_reachable(
    call: Call, submit: Submit, opened: dict[str, Any], run: Run, tmp_path: Path
) -> None:
    sent = submit(serve="one")
    closed = call("orchestrator", "close_round", **DISCARD)
    assert closed["tree"] == sent["tree"]
    assert "checkpoint" not in closed
    repository = repository_of(run)
    repository.git.run("gc", "--quiet", "--prune=now")
    repository.checkout(sent["tree"], tmp_path / "kept")
    assert (tmp_path / "kept" / "serve.py").read_text() == "one"


def test_rounds_close_once(call: Call, opened: dict[str, Any]) -> None:
    call("orchestrator", "close_round", round="R1", **DISCARD)
    with pytest.raises(Refused, match="No round is open"):
        call("orchestrator", "close_round", **DISCARD)
    with pytest.raises(Refused, match="R1 is closed already"):
        call("orchestrator", "close_round", round="R1", **DISCARD)
    with pytest.raises(NotFound, match="no round 'R7'"):
        call("orchestrator", "close_round", round="R7", **DISCARD)


def test_wrong_arguments_close_nothing(call: Call, opened: dict[str, Any], run: Run) -> None:
    with pytest.raises(NotFound, match="no candidate of round R1"):
        call("orchestrator", "close_round", candidate="C4", **DISCARD)
    with pytest.raises(BadRequest, match="reason is empty"):
        call("orchestrator", "close_round", **DISCARD | {"reason": ""})
    with pytest.raises(BadRequest, match="decision"):
        call("orchestrator", "close_round", **DISCARD | {"decision": "keep"})
    assert run.ledger.count("round.closed") == 0


def test_a_checkpoint_ref_that_was_cut_off_is_set_by_whoever_comes_next(
    call: Call,
    submit: Submit,
    opened: dict[str, Any],
    session: Sessions,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submit(serve="one")
    ledger_records.all_evidence(session("judge"), "C1")

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as cut:
        cut.setattr(workspace.Repository, "set_ref", killed)
        with pytest.raises(Killed):
            call("orchestrator", "close_round", **PROMOTE)
    repository = repository_of(run)
    assert repository.ref("refs/checkpoints/R1") is None
    settle(run)
    promoted = run.ledger.last("checkpoint.promoted")
    assert promoted is not None
    assert repository.ref("refs/checkpoints/R1") == promoted.body["commit"]
