"""The issues tools."""

from typing import Annotated

from pydantic import Field

from vibeserve.core.backlog import IssueKind, IssueStatus, ShownStatus
from vibeserve.core.roles import EVERYONE, PLANNERS, Role
from vibeserve.core.session import Session
from vibeserve.core.tools import Toolbox
from vibeserve.issues.results import FiledIssue, IssueList, IssueView, UpdatedIssue

FILERS = (*PLANNERS, Role.EVALUATOR, Role.JUDGE)

box = Toolbox(
    "issues",
    "The backlog. list_issues gives rows, ready ones first; show_issue one in full. Work on an issue begins "
    "with open_round, which claims it; a feature or perf issue is done only with a promoted checkpoint.",
)

IssueName = Annotated[str, Field(description="Issue such as I1.")]
Criteria = Annotated[list[str], Field(description="How to tell that it is done: at most 6 entries of 200 bytes.")]
Labels = Annotated[list[str], Field(description="At most 6 labels of 30 bytes.")]
DependsOn = Annotated[list[str], Field(description="Issues to be done before, at most 10; no cycle.")]
Body = Annotated[str, Field(description="What and why, in markdown. At most 2500 bytes.")]
Gain = Annotated[str, Field(description="What it should bring, such as 1.5x tokens/s. At most 150 bytes.")]
Priority = Annotated[int, Field(description="0 (most urgent) to 4.")]


@box.tool("list", roles=(Role.ORCHESTRATOR, Role.EVALUATOR, Role.HUMAN), read_only=True)
def list_issues(
    session: Session,
    status: Annotated[ShownStatus | None, Field(description="Only issues in this status.")] = None,
    kind: Annotated[IssueKind | None, Field(description="Only issues of this kind.")] = None,
    cursor: Annotated[str | None, Field(description="next_cursor of the page before.")] = None,
) -> IssueList:
    """The backlog in rows, 20 a page: ready issues first, then by status, priority and age."""
    from vibeserve.issues import board

    return board.list_issues(session, status, kind, cursor)


@box.tool("show", roles=EVERYONE, read_only=True)
def show_issue(session: Session, issue: IssueName) -> IssueView:
    """One issue in full, with its version and the newest of its history and comments."""
    from vibeserve.issues import board

    return board.show_issue(session, issue)


@box.tool("file", roles=FILERS, records=("issue.filed",))
def file_issue(
    session: Session,
    kind: Annotated[IssueKind, Field(description="The Accuracy Judge files bugs only.")],
    title: Annotated[str, Field(description="One line, at most 120 bytes.")],
    body: Body = "",
    acceptance_criteria: Criteria = [],  # noqa: B006
    priority: Priority = 2,
    depends_on: DependsOn = [],  # noqa: B006
    discovered_from: Annotated[
        str | None, Field(description="What it came from: an id such as I1, R2, C3, G4 or M5.")
    ] = None,
    labels: Labels = [],  # noqa: B006
    expected_gain: Gain | None = None,
    dedupe_key: Annotated[
        str | None, Field(description="A key of your own; the same key is filed once. At most 100 bytes.")
    ] = None,
) -> FiledIssue:
    """File an issue. The same title or dedupe_key again answers with the issue that exists.

    A turn of the Evaluator files at most 3, one of the Judge 1 bug.
    """
    from vibeserve.issues import filing

    return filing.file_issue(
        session,
        kind,
        title,
        body,
        acceptance_criteria,
        priority,
        depends_on,
        discovered_from,
        labels,
        expected_gain,
        dedupe_key,
    )


@box.tool("update", roles=EVERYONE, records=("issue.updated",))
def update_issue(
    session: Session,
    issue: IssueName,
    comment: Annotated[str | None, Field(description="At most 1500 bytes. Alone it needs no version.")] = None,
    version: Annotated[
        int | None, Field(description="The version you read with show_issue; needed to change fields.")
    ] = None,
    status: Annotated[
        IssueStatus | None, Field(description="done needs a closed round, or evidence for a bug or research.")
    ] = None,
    evidence: Annotated[list[str], Field(description="Ids that show it is done, such as G3 or M2; at most 10.")] = [],  # noqa: B006
    title: Annotated[str | None, Field(description="One line, at most 120 bytes.")] = None,
    body: Body | None = None,
    acceptance_criteria: Criteria | None = None,
    priority: Priority | None = None,
    depends_on: DependsOn | None = None,
    labels: Labels | None = None,
    expected_gain: Gain | None = None,
) -> UpdatedIssue:
    """Comment on an issue, or (Orchestrator, Human) change it. Fields left out stay as they are."""
    from vibeserve.issues import updating

    fields = {
        "title": title,
        "body": body,
        "acceptance_criteria": acceptance_criteria,
        "priority": priority,
        "depends_on": depends_on,
        "labels": labels,
        "expected_gain": expected_gain,
    }
    return updating.update_issue(session, issue, version, fields, status, evidence, comment)
