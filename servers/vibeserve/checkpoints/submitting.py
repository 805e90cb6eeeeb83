"""Submitting a candidate: the workspace as it is becomes a tree, within the round's attempts."""

from vibeserve.checkpoints.finding import history, require_open_round
from vibeserve.checkpoints.results import Submitted
from vibeserve.core.errors import BudgetSpent, Refused
from vibeserve.core.rounds import Round
from vibeserve.core.session import Session
from vibeserve.core.texts import excerpt, require_text
from vibeserve.lab.trees.differences import changed_files
from vibeserve.lab.trees.workspace import repository_of, settle_locked, workspace_lock

NOTE_BYTES = 1000
SHOWN_FILES = 20


def submit_candidate(session: Session, note: str) -> Submitted:
    """Record `candidate.submitted`; refused without a round or attempts, and for a tree that brings nothing new."""
    note = require_text("note", note, NOTE_BYTES, may_be_empty=True)
    run = session.run
    # Under the lock no round is opened or closed between the snapshot and its record.
    with workspace_lock(run):
        settle_locked(run)
        current = require_open_round(history(run))
        _require_attempt_left(current)
        tree = repository_of(run).snapshot(run.layout.workspace)
        return _record(session, current.id, tree, note)


def _record(session: Session, name: str, tree: str, note: str) -> Submitted:
    """Record the tree as a candidate of round `name`, which must still be open."""
    run = session.run
    with run.tx() as tx:
        past = history(run)
        current = require_open_round(past, name)
        _require_attempt_left(current)
        _require_new(tree, current, past)
        attempt = len(current.attempts) + 1
        body = {
            "candidate": f"C{run.ledger.count('candidate.submitted') + 1}",
            "round": current.id,
            "attempt": attempt,
            "tree": tree,
            "target_digest": run.target_digest,
            "base": current.opened.body["base"],
            "note": note,
        }
        session.append(tx, "candidate.submitted", tree, body)
    changed = [change.path for change in changed_files(repository_of(run), current.opened.body["base_tree"], tree)]
    return Submitted(
        candidate=str(body["candidate"]),
        round=current.id,
        tree=tree,
        attempt=attempt,
        attempts_left=current.opened.body["attempts"] - attempt,
        files=[excerpt(path, 150) for path in changed[:SHOWN_FILES]],
        more_files=max(0, len(changed) - SHOWN_FILES),
    )


def _require_attempt_left(current: Round) -> None:
    allowed = current.opened.body["attempts"]
    if len(current.attempts) >= allowed:
        raise BudgetSpent(
            f"Round {current.id} has used all of its {allowed} attempts.",
            "The Orchestrator closes it with close_round; the idea can go on in a new round.",
        )


def _require_new(tree: str, current: Round, past: list[Round]) -> None:
    """Refused for the base itself, for this round's newest candidate, and for what failed before."""
    if tree == current.opened.body["base_tree"]:
        raise Refused(f"The workspace is unchanged: it is the base of round {current.id}.", "Edit it, then call again.")
    if current.attempts and current.attempts[-1].tree == tree:
        raise Refused(
            f"The workspace is unchanged since {current.attempts[-1].candidate}.",
            "show_round gives its feedback; edit the workspace, then call again.",
        )
    failed = next((item for one in past for item in one.attempts if item.tree == tree and item.failed), None)
    if failed is not None:
        raise Refused(
            f"The workspace is exactly {failed.candidate}, which failed; a failure is final for its tree.",
            "show_round gives its feedback; edit the workspace, then call again.",
        )
