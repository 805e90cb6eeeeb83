"""Reading the backlog: compact lists, and one issue in full."""

from typing import Any

from vibeserve.core.backlog import Issue, IssueKind, ShownStatus, backlog
from vibeserve.core.errors import BadRequest, NotFound
from vibeserve.core.ledger import Record
from vibeserve.core.session import Session
from vibeserve.core.texts import excerpt
from vibeserve.issues.results import Happening, IssueList, IssueRow, IssueView, is_ready, waits_for

ROWS = 20
SHOWN_HAPPENINGS = 6
COMMENT_BYTES = 200
_ORDER: list[ShownStatus] = ["in_progress", "open", "blocked", "parked", "done", "abandoned"]


def list_issues(session: Session, status: ShownStatus | None, kind: IssueKind | None, cursor: str | None) -> IssueList:
    """A page of issues: ready ones first, then by status, priority and age."""
    issues = backlog(session.run.ledger)
    ordered = sorted(
        (_key(issue, issues), issue)
        for issue in issues.values()
        if status in (None, issue.shown_status) and kind in (None, issue.kind)
    )
    after = _decoded(cursor) if cursor is not None else (-1, 0, 0)
    remaining = [(key, issue) for key, issue in ordered if key > after]
    page = remaining[:ROWS]
    last = ".".join(str(number) for number in page[-1][0]) if page else None
    return IssueList(
        rows=[_row(issue, issues) for _, issue in page],
        total=len(ordered),
        next_cursor=last if len(remaining) > ROWS else None,
    )


def show_issue(session: Session, name: str) -> IssueView:
    """One issue in full."""
    ledger = session.run.ledger
    issues = backlog(ledger)
    if name not in issues:
        raise NotFound(f"There is no issue {name[:60]!a}.", "list_issues lists them.")
    issue = issues[name]
    rounds = [record for record in ledger.records(("round.opened", "round.closed")) if record.body["issue"] == name]
    records = sorted(ledger.records(("issue.filed", "issue.updated"), name) + rounds, key=lambda record: record.seq)
    return IssueView(
        issue=issue.id,
        kind=issue.kind,
        title=issue.title,
        body=issue.body,
        acceptance_criteria=list(issue.acceptance_criteria),
        priority=issue.priority,
        status=issue.shown_status,
        ready=is_ready(issue, issues),
        depends_on=list(issue.depends_on),
        discovered_from=issue.discovered_from,
        labels=list(issue.labels),
        expected_gain=issue.expected_gain,
        version=issue.version,
        round=issue.round,
        history=[_happening(record) for record in records[-SHOWN_HAPPENINGS:]],
        earlier=max(0, len(records) - SHOWN_HAPPENINGS),
    )


def _row(issue: Issue, issues: dict[str, Issue]) -> IssueRow:
    return IssueRow(
        issue=issue.id,
        kind=issue.kind,
        priority=issue.priority,
        status=issue.shown_status,
        ready=is_ready(issue, issues),
        title=issue.title,
        waits_for=waits_for(issue, issues) or None,
        round=issue.round,
    )


def _key(issue: Issue, issues: dict[str, Issue]) -> tuple[int, int, int]:
    """Where an issue stands in the list; numbers, so that a page can go on after it whatever changed."""
    rank = 0 if is_ready(issue, issues) else 1 + _ORDER.index(issue.shown_status)
    return rank, issue.priority, int(issue.id[1:])


def _decoded(cursor: str) -> tuple[int, ...]:
    parts = cursor.split(".")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        raise BadRequest(f"{cursor[:60]!a} is no cursor.", "Use next_cursor of the page before.")
    return tuple(int(part) for part in parts)


def _happening(record: Record) -> Happening:
    return Happening(at=record.at, by=record.actor.role.value, what=_what(record.kind, record.body))


def _what(kind: str, body: dict[str, Any]) -> str:
    if kind == "issue.filed":
        return "filed"
    if kind == "round.opened":
        return f"round {body['round']} opened"
    if kind == "round.closed":
        told = f"round {body['round']} closed: {body['decision']}, hypothesis {body['hypothesis_status']}"
        return f"{told}, issue {body['issue_status']}: {excerpt(body['reason'], COMMENT_BYTES)}"
    changed = [f"{key} = {body[key]}" for key in ("status", "priority") if key in body]
    known = {"issue", "version", "comment", "evidence", "status", "priority"}
    changed += [f"{key} changed" for key in sorted(set(body) - known)]
    if body.get("evidence"):
        changed.append(f"evidence {', '.join(body['evidence'])}")
    if "comment" in body:
        changed.append(f"comment: {excerpt(body['comment'], COMMENT_BYTES)}")
    return "; ".join(changed)
