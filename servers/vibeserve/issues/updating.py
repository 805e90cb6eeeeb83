"""Updating an issue: fields and status compare-and-set on its version, comments at any time."""

from collections.abc import Callable
from typing import Any

from vibeserve.core.backlog import NEED_CHECKPOINT, Issue, IssueStatus, backlog
from vibeserve.core.errors import BadRequest, Conflict, NotFound, Refused
from vibeserve.core.evidence import PROOF_KINDS
from vibeserve.core.ledger import Record
from vibeserve.core.roles import PLANNERS
from vibeserve.core.session import Session
from vibeserve.core.texts import require_text
from vibeserve.issues import checks
from vibeserve.issues.results import UpdatedIssue

COMMENT_BYTES = 1500


def update_issue(
    session: Session,
    name: str,
    version: int | None,
    fields: dict[str, Any],
    status: IssueStatus | None,
    evidence: list[str],
    comment: str | None,
) -> UpdatedIssue:
    """Record `issue.updated`. `fields` holds those to change; a comment alone needs no version."""
    said = require_text("comment", comment, COMMENT_BYTES) if comment else None
    wanted = {key: value for key, value in fields.items() if value is not None}
    if status is not None:
        wanted["status"] = status
    if not wanted and said is None:
        raise BadRequest("There is nothing to change.", "Give a comment, a status or a field.")
    if wanted and session.role not in PLANNERS:
        raise Refused(
            f"The {session.role} may comment on issues, not change them.",
            "Call again with the comment alone; the Orchestrator changes issues.",
        )
    run = session.run
    records = checks.require_records(run.ledger, evidence)
    with run.tx() as tx:
        issues = backlog(run.ledger)
        issue = _require(issues, name)
        if wanted:
            _require_version(issue, version)
            wanted = _checked(issue, wanted, issues)
            _require_status(issue, status, records)
        body = wanted | {"issue": name, "version": issue.version + (1 if wanted else 0)}
        body |= {"comment": said} if said else {}
        body |= {"evidence": evidence} if evidence else {}
        session.append(tx, "issue.updated", name, body)
        updated = backlog(run.ledger)[name]
    return UpdatedIssue(
        issue=name,
        version=updated.version,
        status=updated.shown_status,
        changed=sorted(wanted),
        commented=said is not None,
    )


def _require(issues: dict[str, Issue], name: str) -> Issue:
    if name not in issues:
        raise NotFound(f"There is no issue {name[:60]!a}.", "list_issues lists them.")
    return issues[name]


def _require_version(issue: Issue, version: int | None) -> None:
    if version is None:
        raise BadRequest("A change needs the version that you read.", f"Call again with version {issue.version}.")
    if version != issue.version:
        raise Conflict(
            f"Issue {issue.id} is at version {issue.version}, not {version}: somebody changed it.",
            "Read it again with show_issue, then decide anew.",
        )


def _checked(issue: Issue, wanted: dict[str, Any], issues: dict[str, Issue]) -> dict[str, Any]:
    """The new values within their limits."""
    check: dict[str, Callable[[Any], Any]] = {
        "title": checks.checked_title,
        "body": checks.checked_body,
        "acceptance_criteria": checks.checked_criteria,
        "priority": checks.checked_priority,
        "labels": checks.checked_labels,
        "expected_gain": checks.checked_gain,
        "depends_on": lambda value: checks.checked_dependencies(issue.id, value, issues),
        "status": lambda value: value,
    }
    return {key: check[key](value) for key, value in wanted.items()}


def _require_status(issue: Issue, status: IssueStatus | None, evidence: list[Record]) -> None:
    """Refused while a round is open on the issue, and for done without evidence."""
    if status is None or status == issue.status:
        return
    if issue.round is not None:
        raise Refused(f"Round {issue.round} is open on {issue.id}.", "close_round decides what becomes of the issue.")
    if status != "done" or issue.may_be_done:
        return
    if issue.kind in NEED_CHECKPOINT:
        raise Refused(
            f"{issue.id} is a {issue.kind} issue: it is done only with a promoted checkpoint of its last round.",
            "open_round on it, and close_round with promote; or set it to abandoned or parked.",
        )
    if all(record.kind not in PROOF_KINDS for record in evidence):
        raise Refused(
            f"Nothing shows that {issue.id} is done: its last round has no gate, verdict or measurement, and none "
            "is given as evidence.",
            "Give evidence, ids such as G3, V1 or M2; run_gate, submit_verdict or measure supply them.",
        )
