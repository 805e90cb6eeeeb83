"""What the ledger proves about a tree, what became of issues, and artifacts as printable pages."""

from collections.abc import Callable
from typing import Any

import pytest

from vibeserve.core.artifacts import Artifacts, printable
from vibeserve.core.backlog import backlog
from vibeserve.core.errors import BadRequest, NotFound
from vibeserve.core.evidence import candidate_record, evidence_on, open_round_record, record_of
from vibeserve.core.rounds import best_attempt, rounds
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.core.texts import excerpt

TREE = "a" * 40
Append = Callable[..., None]


@pytest.fixture
def append(run: Run, session: Callable[..., Session]) -> Append:
    """Appends a record about a tree under the run's target digest."""

    def make(kind: str, subject: str = TREE, /, **body: Any) -> None:
        with run.tx() as tx:
            session("judge").append(tx, kind, subject, {"target_digest": run.target_digest} | body)

    return make


def test_a_failed_gate_outweighs_every_pass(run: Run, append: Append) -> None:
    append("gate.failed", gate="G1")
    append("gate.passed", gate="G2")
    append("gate.inconclusive", gate="G3")
    evidence = evidence_on(run.ledger, TREE, run.target_digest)
    assert evidence.gate is not None
    assert (evidence.gate.body["gate"], evidence.gate_passed) == ("G1", False)


def test_the_newest_gate_and_verdict_count(run: Run, append: Append) -> None:
    append("gate.inconclusive", gate="G1")
    append("gate.passed", gate="G2")
    append("verdict.given", verdict="fail")
    append("verdict.given", verdict="pass")
    evidence = evidence_on(run.ledger, TREE, run.target_digest)
    assert evidence.gate_passed
    assert evidence.verdict_passed
    assert evidence.missing_for_promotion() == ["a measurement (measure, by the Performance Evaluator)"]


def test_evidence_ends_at_a_moment_and_at_a_target(run: Run, append: Append) -> None:
    append("gate.passed", gate="G1", target_digest="another")
    append("gate.passed", gate="G2")
    assert evidence_on(run.ledger, TREE, "another", before=2).gate is None
    assert evidence_on(run.ledger, TREE, run.target_digest, before=3).gate is None
    assert len(evidence_on(run.ledger, "b" * 40, run.target_digest).missing_for_promotion()) == 3


def test_ids_lead_to_their_records(run: Run, append: Append) -> None:
    append("candidate.submitted", candidate="C1", round="R1")
    append("gate.failed", gate="G1")
    append("verdict.given", verdict_id="V1", verdict="fail")
    for name, kind in (("C1", "candidate.submitted"), ("G1", "gate.failed"), ("V1", "verdict.given")):
        record = record_of(run.ledger, name)
        assert record is not None
        assert record.kind == kind
    assert candidate_record(run.ledger, TREE) == candidate_record(run.ledger, "C1")
    for unknown in ("C2", "G9", "X1", "", "c1"):
        assert record_of(run.ledger, unknown) is None
    assert candidate_record(run.ledger, "C2") is None


def test_rounds_and_the_best_of_them(run: Run, append: Append) -> None:
    assert open_round_record(run.ledger) is None
    append("round.opened", "R1", round="R1", issue="I1")
    append("candidate.submitted", candidate="C1", round="R1", attempt=1)
    assert open_round_record(run.ledger) is not None
    [one] = rounds(run.ledger, run.target_digest)
    assert (one.decision, one.attempts[0].candidate, one.attempts[0].failed) == ("open", "C1", False)
    append("gate.passed", gate="G1", stages=[])
    append("verdict.given", verdict="fail")
    assert rounds(run.ledger, run.target_digest)[0].attempts[0].failed
    closing = {"round": "R1", "issue": "I1", "issue_status": "done", "tree": TREE}
    append("round.closed", "R1", decision="promote", **closing)
    assert open_round_record(run.ledger) is None
    best = best_attempt(rounds(run.ledger, run.target_digest))
    assert best is not None
    assert best.candidate == "C1"
    append("gate.failed", gate="G2", stages=[])
    assert best_attempt(rounds(run.ledger, run.target_digest)) is None, "it failed under load after its promotion"


def test_the_backlog_follows_the_ledger(run: Run, append: Append) -> None:
    fields = {"kind": "bug", "title": "t", "body": "", "acceptance_criteria": [], "priority": 2, "depends_on": []}
    fields |= {"discovered_from": None, "labels": [], "expected_gain": None, "dedupe_key": None}
    append("issue.filed", "I1", issue="I1", **fields)
    append("issue.updated", "I1", issue="I1", version=2, status="blocked", labels=["x"])
    append("issue.updated", "I1", issue="I1", version=2, comment="only said")
    issue = backlog(run.ledger)["I1"]
    assert (issue.status, issue.version, issue.labels, issue.may_be_done) == ("blocked", 2, ("x",), False)
    append("round.opened", "R1", round="R1", issue="I1")
    assert backlog(run.ledger)["I1"].shown_status == "in_progress"
    append("round.closed", "R1", round="R1", issue="I1", decision="discard", issue_status="reopen")
    issue = backlog(run.ledger)["I1"]
    assert (issue.shown_status, issue.version, issue.may_be_done) == ("open", 3, False)
    append("gate.inconclusive", gate="G1", round="R1")
    assert not backlog(run.ledger)["I1"].may_be_done
    append("gate.failed", gate="G2", round="R1")
    assert backlog(run.ledger)["I1"].may_be_done


def test_artifacts_are_named_by_content_and_read_in_pages(run: Run) -> None:
    artifacts = Artifacts(run.layout.artifacts)
    name = artifacts.put("\x1b[31mred\n" + "x" * 7000, "log of C1/serve.py")
    assert name == artifacts.put("\x1b[31mred\n" + "x" * 7000, "log of C1/serve.py")
    assert name.endswith("-log_of_C1_serve.py")
    first = artifacts.page(name)
    assert first.text.startswith("\\x1b[31mred\n")
    assert first.next_offset == 6000
    last = artifacts.page(name, first.next_offset)
    assert last.next_offset is None
    assert artifacts.path(name).read_bytes().endswith(b"x" * 7000)
    for wrong in ("../run.key", "run.key", "", "0" * 12):
        with pytest.raises(BadRequest, match="not an artifact's name"):
            artifacts.page(wrong)
    with pytest.raises(NotFound, match="no artifact"):
        artifacts.page("0" * 12 + "-x")


def test_hostile_text_is_made_visible() -> None:
    assert printable("a\tb\nc\r\x1b[2J\x9b\u202e\u200bd") == "a\tb\nc\\r\\x1b[2J\\x9b\\u202e\\u200bd"
    assert printable("\u6f22 \u00e9 \U0001f600") == "\u6f22 \u00e9 \U0001f600"
    assert excerpt("\u6f22" * 10, 10) == "\u6f22\u6f22\u6f22 […]"
    assert excerpt("short", 10) == "short"
