"""Opening a round: the issue is claimed, what stood in the workspace is kept, the workspace becomes the base."""

from vibeserve.checkpoints.finding import Base, find_base
from vibeserve.checkpoints.results import OpenedRound
from vibeserve.core.backlog import backlog
from vibeserve.core.errors import BadRequest, NotFound, Refused
from vibeserve.core.evidence import open_round_record
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.core.texts import require_list, require_text
from vibeserve.lab.trees.workspace import (
    plan_reset,
    plan_set_aside,
    repository_of,
    settle_locked,
    workspace_lock,
    workspace_tree,
)

HYPOTHESIS_BYTES = 600
CRITERION_BYTES = 300
MAX_CRITERIA = 6
MAX_ATTEMPTS = 10


def open_round(
    session: Session, issue: str, hypothesis: str, criteria: list[str], base: str | None, attempts: int
) -> OpenedRound:
    """Claim `issue` with a new round. Refused while a round is open or unless the issue is open."""
    hypothesis = require_text("hypothesis", hypothesis, HYPOTHESIS_BYTES)
    criteria = require_list("criteria", criteria, CRITERION_BYTES, MAX_CRITERIA)
    if not criteria:
        raise BadRequest("criteria is empty.", "Say what must hold for the round to have succeeded.")
    if not 1 <= attempts <= MAX_ATTEMPTS:
        raise BadRequest(f"attempts is {attempts}.", f"Allow 1 to {MAX_ATTEMPTS} attempts.")
    run = session.run
    with workspace_lock(run):
        _require_free(run, issue)
        settle_locked(run)
        start = find_base(run, repository_of(run), base)
        standing = workspace_tree(run)
        contract = {"issue": issue, "hypothesis": hypothesis, "criteria": criteria, "attempts": attempts}
        opened = _claim(session, contract, start, standing)
        settle_locked(run)
    return opened


def _claim(session: Session, contract: dict[str, object], start: Base, standing: str | None) -> OpenedRound:
    """Record the round and what is to become of the workspace, in one transaction.

    `standing` is the workspace as a tree; what no tree can hold is moved aside whole, so that nothing is lost.
    """
    run = session.run
    with run.tx() as tx:
        _require_free(run, str(contract["issue"]))
        name = f"R{run.ledger.count('round.opened') + 1}"
        body = contract | {
            "round": name,
            "base": start.name,
            "base_tree": start.tree,
            "base_round": start.round,
            "workspace_snapshot": standing,
            "set_aside": None if standing else f"before-{name}",
        }
        session.append(tx, "round.opened", name, body)
        if standing is None:
            plan_set_aside(tx, f"before-{name}")
        plan_reset(tx, name, start.tree)
    fields = {key: body[key] for key in OpenedRound.model_fields}
    return OpenedRound.model_validate(fields)


def _require_free(run: Run, issue: str) -> None:
    """Refused while a round is open, or unless the issue is there and open."""
    current = open_round_record(run.ledger)
    if current is not None:
        raise Refused(
            f"Round {current.subject} is open on issue {current.body['issue']}.",
            "show_round says what it still needs; close_round closes it.",
        )
    wanted = backlog(run.ledger).get(issue)
    if wanted is None:
        raise NotFound(f"There is no issue {issue[:60]!a}.", "list_issues lists them; file_issue files one.")
    if wanted.status != "open":
        raise Refused(
            f"Issue {issue} is {wanted.status}, not open.",
            f"Choose another with list_issues, or reopen it with update_issue (version {wanted.version}).",
        )
