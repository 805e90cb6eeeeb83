"""Filing an issue, once: the same title or key again answers with the issue that is there."""

import re

from vibeserve.core.backlog import Issue, IssueKind, backlog
from vibeserve.core.errors import BudgetSpent, Refused
from vibeserve.core.roles import Role
from vibeserve.core.session import Session
from vibeserve.core.texts import require_text
from vibeserve.issues import checks
from vibeserve.issues.results import FiledIssue, Similar

KEY_BYTES = 100
CAP_PER_SESSION = {Role.EVALUATOR: 3, Role.JUDGE: 1}
SIMILAR_FROM = 0.5
SHOWN_SIMILAR = 3
_WORD = re.compile(r"\w+")


def file_issue(
    session: Session,
    kind: IssueKind,
    title: str,
    body: str,
    acceptance_criteria: list[str],
    priority: int,
    depends_on: list[str],
    discovered_from: str | None,
    labels: list[str],
    expected_gain: str | None,
    dedupe_key: str | None,
) -> FiledIssue:
    """Record `issue.filed`, unless an issue with that title or key exists."""
    run = session.run
    fields = {
        "kind": kind,
        "title": checks.checked_title(title),
        "body": checks.checked_body(body),
        "acceptance_criteria": checks.checked_criteria(acceptance_criteria),
        "priority": checks.checked_priority(priority),
        "labels": checks.checked_labels(labels),
        "expected_gain": checks.checked_gain(expected_gain) if expected_gain else None,
        "dedupe_key": require_text("dedupe_key", dedupe_key, KEY_BYTES) if dedupe_key else None,
        "discovered_from": discovered_from or None,
    }
    checks.require_records(run.ledger, [discovered_from] if discovered_from else [])
    with run.tx() as tx:
        issues = backlog(run.ledger)
        same = _same(fields["title"], fields["dedupe_key"], issues)
        if same is not None:
            return _answer(same.id, same.title, issues, same)
        _require_allowance(session, kind)
        name = f"I{len(issues) + 1}"
        wanted = checks.checked_dependencies(name, depends_on, issues)
        filed = fields | {"issue": name, "version": 1, "status": "open", "depends_on": wanted}
        session.append(tx, "issue.filed", name, filed)
    return _answer(name, str(fields["title"]), issues, None)


def _same(title: object, key: object, issues: dict[str, Issue]) -> Issue | None:
    wanted = _normal(str(title))
    return next(
        (
            issue
            for issue in issues.values()
            if _normal(issue.title) == wanted or (key is not None and issue.dedupe_key == key)
        ),
        None,
    )


def _require_allowance(session: Session, kind: IssueKind) -> None:
    """The Judge may file one bug a turn, the Evaluator three issues."""
    if session.role is Role.JUDGE and kind != "bug":
        raise Refused("The Accuracy Judge files bugs only.", "File it as a bug, or say it in the verdict's feedback.")
    cap = CAP_PER_SESSION.get(session.role)
    if cap is None:
        return
    filed = len(session.run.ledger.records("issue.filed", session=session.actor.session))
    if filed >= cap:
        raise BudgetSpent(
            f"The {session.role} has filed {filed} of {cap} issues in this turn.",
            "Add what else matters as a comment with update_issue.",
        )


def _answer(name: str, title: str, issues: dict[str, Issue], existing: Issue | None) -> FiledIssue:
    return FiledIssue(
        issue=name,
        version=existing.version if existing else 1,
        title=title,
        status=existing.shown_status if existing else "open",
        existing=existing is not None,
        similar=_similar(name, title, issues),
    )


def _similar(name: str, title: str, issues: dict[str, Issue]) -> list[Similar]:
    """Other issues whose titles share at least half of all words (Jaccard index)."""
    words = _words(title)
    scored = []
    for issue in issues.values():
        other = _words(issue.title)
        score = len(words & other) / max(1, len(words | other))
        if issue.id != name and score >= SIMILAR_FROM:
            scored.append((score, issue))
    scored.sort(key=lambda item: -item[0])
    return [
        Similar(issue=issue.id, title=issue.title, status=issue.shown_status) for _, issue in scored[:SHOWN_SIMILAR]
    ]


def _normal(title: str) -> str:
    return " ".join(_WORD.findall(title.casefold()))


def _words(title: str) -> set[str]:
    return set(_WORD.findall(title.casefold()))
