"""Filing: once per title or key, within the limits of role and field, by many processes at once."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from vibeserve.core.audit import audit
from vibeserve.core.backlog import backlog
from vibeserve.core.errors import BadRequest, BudgetSpent, NotFound, Refused, VibeServeError
from vibeserve.core.run import Run

Call = Callable[..., dict[str, Any]]

FILE_FIFTY = """
import sys
from pathlib import Path
from vibeserve.core.roles import Actor, Role
from vibeserve.core.run import open_run
from vibeserve.core.session import Session
from vibeserve.issues.server import box
tool = next(tool for tool in box.tools if tool.name == "file_issue")
session = Session(open_run(Path(sys.argv[1])), Actor(Role.ORCHESTRATOR, f"S-{sys.argv[2]}"))
sys.stdin.readline()
for number in range(50):
    filed = tool.call(session, {"kind": "perf", "title": f"Idea {number} of writer {sys.argv[2]}"})
    assert not filed["existing"]
"""


def test_an_issue_is_filed_with_all_its_fields(call: Call, file: Call) -> None:
    file("First")
    filed = file(
        "  Batch   requests ",
        body="why",
        acceptance_criteria=["ratio above 1.5"],
        priority=1,
        depends_on=["I1"],
        discovered_from="I1",
        labels=["batching"],
        expected_gain="2x",
        dedupe_key="batch",
    )
    assert (filed["issue"], filed["existing"], filed["version"]) == ("I2", False, 1)
    shown = call("implementer", "show_issue", issue="I2")
    assert shown["title"] == "Batch requests"
    assert shown["acceptance_criteria"] == ["ratio above 1.5"]
    assert (shown["depends_on"], shown["ready"]) == (["I1"], False)
    assert (shown["discovered_from"], shown["expected_gain"]) == ("I1", "2x")


@pytest.mark.parametrize("title", ["batch, requests!", "BATCH REQUESTS", " Batch\trequests"])
def test_the_same_title_answers_with_the_issue_that_exists(file: Call, run: Run, title: str) -> None:
    file("Batch requests")
    again = file(title, kind="bug")
    assert (again["issue"], again["existing"]) == ("I1", True)
    assert run.ledger.count("issue.filed") == 1


def test_the_same_key_answers_with_the_issue_that_exists(file: Call) -> None:
    file("Batch requests", dedupe_key="batch")
    assert file("Something else", dedupe_key="batch")["issue"] == "I1"
    assert file("Something else", dedupe_key="other")["issue"] == "I2"


def test_similar_titles_come_back_as_hints(file: Call) -> None:
    file("Static KV cache for decode")
    file("Quantize the weights")
    hinted = file("Static KV cache for prefill")
    assert [item["issue"] for item in hinted["similar"]] == ["I1"]


def test_the_evaluator_files_three_a_turn(call: Call) -> None:
    for number in range(3):
        call("evaluator", "file_issue", turn="T1", kind="perf", title=f"Idea {number}")
    with pytest.raises(BudgetSpent, match="3 of 3") as refusal:
        call("evaluator", "file_issue", turn="T1", kind="perf", title="Idea 3")
    assert "update_issue" in refusal.value.next_step
    again = call("evaluator", "file_issue", turn="T1", kind="perf", title="Idea 0")
    assert again["existing"]
    assert call("evaluator", "file_issue", turn="T2", kind="perf", title="Idea 3")["issue"] == "I4"


def test_the_judge_files_one_bug_a_turn(call: Call) -> None:
    with pytest.raises(Refused, match="files bugs only"):
        call("judge", "file_issue", turn="T1", kind="perf", title="Faster")
    call("judge", "file_issue", turn="T1", kind="bug", title="Stale slot")
    with pytest.raises(BudgetSpent, match="1 of 1"):
        call("judge", "file_issue", turn="T1", kind="bug", title="Another")


def test_the_implementer_files_nothing(call: Call) -> None:
    with pytest.raises(Refused, match="is not for the role implementer"):
        call("implementer", "file_issue", kind="bug", title="x")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"title": " "}, BadRequest, "title is empty"),
        ({"title": "x" * 121}, BadRequest, "121 bytes, more than 120"),
        ({"title": "\u6f22" * 41}, BadRequest, "123 bytes"),
        ({"body": "x" * 2501}, BadRequest, "body has 2501"),
        ({"kind": "chore"}, BadRequest, "kind"),
        ({"priority": 5}, BadRequest, "priority 5 does not exist"),
        ({"priority": -1}, BadRequest, "priority -1"),
        ({"acceptance_criteria": ["x"] * 7}, BadRequest, "7 entries"),
        ({"labels": ["x" * 31]}, BadRequest, "31 bytes"),
        ({"expected_gain": "x" * 151}, BadRequest, "expected_gain has 151"),
        ({"dedupe_key": "x" * 101}, BadRequest, "dedupe_key has 101"),
        ({"depends_on": ["I7"]}, NotFound, "no issue: 'I7'"),
        ({"depends_on": ["I1"]}, BadRequest, "cycle of dependencies: I1 → I1"),
        ({"discovered_from": "R4"}, NotFound, "nothing called 'R4'"),
        ({"discovered_from": "nonsense"}, NotFound, "nothing called"),
        ({"colour": "red"}, BadRequest, "colour is unknown"),
    ],
)
def test_wrong_fields_file_nothing(
    file: Call, run: Run, arguments: dict[str, Any], error: type[VibeServeError], message: str
) -> None:
    with pytest.raises(error, match=message):
        file(**({"title": "A title"} | arguments))
    assert run.ledger.count("issue.filed") == 0


def test_eight_processes_filing_fifty_each_lose_none(run: Run) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", FILE_FIFTY, str(run.layout.root), str(number)], stdin=subprocess.PIPE)
        for number in range(8)
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    issues = backlog(run.ledger)
    assert list(issues) == [f"I{number}" for number in range(1, 401)]
    titles = {f"Idea {number} of writer {writer}" for number in range(50) for writer in range(8)}
    assert {issue.title for issue in issues.values()} == titles
    found = audit(run)
    assert found.ok
    assert found.records == 401
