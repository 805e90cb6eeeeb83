"""Reading the backlog: ready issues first, pages that do not shift, results that stay small."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from vibeserve.core.errors import BadRequest, NotFound, Refused
from vibeserve.core.session import Session

Call = Callable[..., dict[str, Any]]
LIMIT_BYTES = 8192


def ids(result: dict[str, Any]) -> list[str]:
    return [row["issue"] for row in result["rows"]]


def test_ready_issues_come_first(call: Call, file: Call) -> None:
    file("Later", priority=3)
    file("Waits", priority=0, depends_on=["I1"])
    file("Urgent", priority=0)
    file("Parked", priority=0)
    call("human", "update_issue", issue="I4", version=1, status="parked")
    listed = call("orchestrator", "list_issues")
    assert ids(listed) == ["I3", "I1", "I2", "I4"]
    assert [row["ready"] for row in listed["rows"]] == [True, True, False, False]
    assert listed["rows"][2]["waits_for"] == ["I1"]


def test_an_issue_is_ready_when_what_it_waits_for_is_done(call: Call, file: Call, proof: str) -> None:
    file("First", kind="bug")
    file("Second", depends_on=["I1"])
    call("human", "update_issue", issue="I1", version=1, status="done", evidence=[proof])
    assert call("human", "show_issue", issue="I2")["ready"]


def test_the_list_is_filtered(call: Call, file: Call) -> None:
    file("One", kind="bug")
    file("Two")
    call("human", "update_issue", issue="I2", version=1, status="blocked")
    assert ids(call("human", "list_issues", kind="bug")) == ["I1"]
    assert ids(call("human", "list_issues", status="blocked")) == ["I2"]
    assert ids(call("human", "list_issues", status="done")) == []


def test_pages_go_on_where_they_stopped(call: Call, file: Call) -> None:
    for number in range(45):
        file(f"Idea {number}")
    pages, cursor = [], {}
    while True:
        page = call("evaluator", "list_issues", **cursor)
        assert page["total"] == 45
        pages.append(ids(page))
        if "next_cursor" not in page:
            break
        if len(pages) == 1:  # what was listed already changes meanwhile
            call("human", "update_issue", issue="I1", version=1, status="abandoned")
        cursor = {"cursor": page["next_cursor"]}
    listed = [name for page in pages for name in page]
    assert [len(page) for page in pages[:2]] == [20, 20]
    assert set(listed) == {f"I{number}" for number in range(1, 46)}
    with pytest.raises(BadRequest, match="no cursor"):
        call("human", "list_issues", cursor="1.x.2")


def test_results_stay_small(call: Call, file: Call) -> None:
    for number in range(20):
        file(f"{number:02d}" + "t" * 118, depends_on=[f"I{index}" for index in range(1, min(number, 10) + 1)])
    listed = call("human", "list_issues")
    assert len(json.dumps(listed).encode()) < LIMIT_BYTES
    full = file(
        "x" * 120,
        body="b" * 2500,
        acceptance_criteria=["c" * 200] * 6,
        labels=["l" * 30] * 6,
        expected_gain="g" * 150,
        depends_on=[f"I{number}" for number in range(1, 11)],
    )
    for _ in range(20):
        call("judge", "update_issue", issue=full["issue"], comment="c" * 1500)
    shown = call("implementer", "show_issue", issue=full["issue"])
    assert (len(shown["history"]), shown["earlier"]) == (6, 15)
    assert len(json.dumps(shown).encode()) < LIMIT_BYTES


def test_history_tells_what_happened(call: Call, file: Call, session: Callable[..., Session]) -> None:
    file("One", kind="bug")
    call("human", "update_issue", issue="I1", version=1, priority=0, body="more", comment="look")
    planner = session("orchestrator")
    with planner.run.tx() as tx:
        planner.append(tx, "round.opened", "R1", {"round": "R1", "issue": "I1"})
    call("human", "update_issue", issue="I1", version=2, labels=["x"])
    whats = [item["what"] for item in call("human", "show_issue", issue="I1")["history"]]
    assert whats == ["filed", "priority = 0; body changed; comment: look", "round R1 opened", "labels changed"]


def test_issues_that_are_not_there(call: Call) -> None:
    with pytest.raises(NotFound, match="no issue 'I1'"):
        call("judge", "show_issue", issue="I1")
    assert call("human", "list_issues") == {"rows": [], "total": 0}
    with pytest.raises(Refused, match="is not for the role"):
        call("judge", "list_issues")
