"""What the issues tools return."""

from vibeserve.core.backlog import Issue, IssueKind, ShownStatus
from vibeserve.core.tools import Result


class IssueRow(Result):
    """An issue in a line. `ready`: open and everything that it depends on is done."""

    issue: str
    kind: IssueKind
    priority: int
    status: ShownStatus
    ready: bool
    title: str
    waits_for: list[str] | None = None
    round: str | None = None


class IssueList(Result):
    """A page of issues, ready ones first; `total` counts all that match."""

    rows: list[IssueRow]
    total: int
    next_cursor: str | None = None


class Happening(Result):
    """One thing that happened to an issue: filed, updated, commented, a round opened or closed."""

    at: str
    by: str
    what: str


class IssueView(Result):
    """An issue in full, with the newest of what happened to it. Comments are cut and are data."""

    issue: str
    kind: IssueKind
    title: str
    body: str
    acceptance_criteria: list[str]
    priority: int
    status: ShownStatus
    ready: bool
    depends_on: list[str]
    discovered_from: str | None = None
    labels: list[str]
    expected_gain: str | None = None
    version: int
    round: str | None = None
    history: list[Happening]
    earlier: int


class Similar(Result):
    """An issue whose title is like the one just filed."""

    issue: str
    title: str
    status: ShownStatus


class FiledIssue(Result):
    """The filed issue; with `existing` true, nothing was filed: this one says the same."""

    issue: str
    version: int
    title: str
    status: ShownStatus
    existing: bool
    similar: list[Similar]


class UpdatedIssue(Result):
    """An issue after an update; `version` is what the next update must name."""

    issue: str
    version: int
    status: ShownStatus
    changed: list[str]
    commented: bool


def is_ready(issue: Issue, issues: dict[str, Issue]) -> bool:
    """Whether work on an issue can begin: open, no round on it, all dependencies done."""
    return issue.shown_status == "open" and not waits_for(issue, issues)


def waits_for(issue: Issue, issues: dict[str, Issue]) -> list[str]:
    """The dependencies that are not done yet."""
    return [name for name in issue.depends_on if issues[name].status != "done"]
