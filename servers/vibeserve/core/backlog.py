"""Issues as the ledger tells them: filed, updated, worked on in rounds, and what became of them."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from vibeserve.core.evidence import PROOF_KINDS
from vibeserve.core.ledger import Ledger, Record

IssueKind = Literal["bug", "feature", "perf", "refactor", "research"]
IssueStatus = Literal["open", "done", "blocked", "parked", "abandoned"]
ShownStatus = Literal["open", "in_progress", "done", "blocked", "parked", "abandoned"]
ClosingStatus = Literal["done", "reopen", "abandon"]

STATUS_AFTER_ROUND: dict[ClosingStatus, IssueStatus] = {
    "done": "done",
    "reopen": "open",
    "abandon": "abandoned",
}
NEED_CHECKPOINT: tuple[IssueKind, ...] = ("feature", "perf")
_FIELDS = (
    "title",
    "body",
    "acceptance_criteria",
    "priority",
    "status",
    "depends_on",
    "labels",
    "expected_gain",
)


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue. `priority` 0 is the most urgent; `round` is the round that is open on it.

    `may_be_done`: the round that was last closed on it is evidence enough. That is a promoted checkpoint for a
    feature or perf issue, a gate, verdict or measurement for any other.
    """

    id: str
    kind: IssueKind
    title: str
    body: str
    acceptance_criteria: tuple[str, ...]
    priority: int
    depends_on: tuple[str, ...]
    discovered_from: str | None
    labels: tuple[str, ...]
    expected_gain: str | None
    dedupe_key: str | None
    status: IssueStatus = "open"
    version: int = 1
    round: str | None = None
    may_be_done: bool = False

    @property
    def shown_status(self) -> ShownStatus:
        """The status, or in_progress while a round is open on the issue."""
        return "in_progress" if self.round else self.status


def backlog(ledger: Ledger) -> dict[str, Issue]:
    """All issues by id, in the order they were filed."""
    issues: dict[str, Issue] = {}
    proven = {record.body["round"] for record in ledger.records(PROOF_KINDS)}
    for record in ledger.records(("issue.filed", "issue.updated", "round.opened", "round.closed")):
        name = str(record.body["issue"])
        if record.kind == "issue.filed":
            issues[name] = _filed(record.body)
        elif name in issues:
            issues[name] = _next(issues[name], record, proven)
    return issues


def _next(issue: Issue, record: Record, proven: set[str]) -> Issue:
    """The issue after one more record; `proven` are the rounds with something to show."""
    if record.kind == "issue.updated":
        changed = {field: _frozen(record.body[field]) for field in _FIELDS if field in record.body}
        return replace(issue, version=int(record.body["version"]), **changed)
    if record.kind == "round.opened":
        return replace(issue, round=record.subject)
    return replace(
        issue,
        round=None,
        version=issue.version + 1,
        status=STATUS_AFTER_ROUND[record.body["issue_status"]],
        may_be_done=_round_suffices(issue, record, proven),
    )


def _round_suffices(issue: Issue, closed: Record, proven: set[str]) -> bool:
    return closed.body["decision"] == "promote" if issue.kind in NEED_CHECKPOINT else closed.subject in proven


def _filed(body: dict[str, Any]) -> Issue:
    return Issue(
        id=body["issue"],
        kind=body["kind"],
        title=body["title"],
        body=body["body"],
        acceptance_criteria=tuple(body["acceptance_criteria"]),
        priority=body["priority"],
        depends_on=tuple(body["depends_on"]),
        discovered_from=body["discovered_from"],
        labels=tuple(body["labels"]),
        expected_gain=body["expected_gain"],
        dedupe_key=body["dedupe_key"],
    )


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
