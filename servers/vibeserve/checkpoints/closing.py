"""Closing a round: what is kept, whether the hypothesis held, what becomes of the issue."""

from typing import Any

from vibeserve.checkpoints.finding import history, require_open_round
from vibeserve.checkpoints.results import ClosedRound, Decision, HypothesisStatus
from vibeserve.core.backlog import NEED_CHECKPOINT, ClosingStatus, backlog
from vibeserve.core.errors import NotFound, Refused
from vibeserve.core.evidence import PROOF_KINDS
from vibeserve.core.rounds import Attempt, Round
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.core.texts import require_text
from vibeserve.lab.trees.workspace import plan_ref, repository_of, settle, workspace_lock

REASON_BYTES = 1000


def close_round(
    session: Session,
    decision: Decision,
    hypothesis: HypothesisStatus,
    issue_status: ClosingStatus,
    reason: str,
    candidate: str | None,
    name: str | None,
) -> ClosedRound:
    """Record `round.closed`, and with `promote` the checkpoint, in one transaction."""
    reason = require_text("reason", reason, REASON_BYTES)
    run = session.run
    settle(run)
    with workspace_lock(run):
        current = require_open_round(history(run), name)
        chosen = _chosen(current, candidate)
        commit = _commit(run, current, chosen, reason) if decision == "promote" and chosen else None
        # From here on by name: a candidate submitted meanwhile is not the one that was decided about.
        named = chosen.candidate if chosen else None
        closed = _record(session, current.id, decision, hypothesis, issue_status, reason, named, commit)
    settle(run)
    return closed


def _record(
    session: Session,
    name: str,
    decision: Decision,
    hypothesis: HypothesisStatus,
    issue_status: ClosingStatus,
    reason: str,
    candidate: str | None,
    commit: str | None,
) -> ClosedRound:
    """Everything is checked inside the transaction: no evidence can change between check and record."""
    run = session.run
    with run.tx() as tx:
        current = require_open_round(history(run), name)
        chosen = _chosen(current, candidate)
        _require_hypothesis(current, hypothesis)
        if decision == "promote":
            _require_evidence(current, chosen)
        if issue_status == "done" and decision != "promote":
            _require_proof(run, current)
        closed = ClosedRound(
            round=current.id,
            issue=current.opened.body["issue"],
            decision=decision,
            hypothesis_status=hypothesis,
            issue_status=issue_status,
            candidate=chosen.candidate if chosen else None,
            tree=chosen.tree if chosen else None,
            checkpoint=chosen.tree if chosen and decision == "promote" else None,
            served_note=chosen.unserved_note if chosen and decision == "promote" else None,
        )
        body = closed.model_dump() | {"reason": reason, "target_digest": run.target_digest}
        session.append(tx, "round.closed", current.id, body)
        if chosen and commit:
            session.append(tx, "checkpoint.promoted", chosen.tree, _promotion(run, current, chosen, commit))
            plan_ref(tx, f"refs/checkpoints/{current.id}", commit)
    return closed


def _chosen(current: Round, candidate: str | None) -> Attempt | None:
    """The candidate that is decided about: the named one, or the newest."""
    if candidate is None:
        return current.attempts[-1] if current.attempts else None
    found = [item for item in current.attempts if candidate in (item.candidate, item.tree)]
    if not found:
        known = ", ".join(item.candidate for item in current.attempts) or "none yet"
        raise NotFound(f"{candidate[:60]!a} is no candidate of round {current.id}.", f"Its candidates: {known}.")
    return found[-1]


def _require_evidence(current: Round, chosen: Attempt | None) -> None:
    if chosen is None:
        raise Refused(
            f"Round {current.id} has no candidate to promote.",
            "submit_candidate (by the Implementer) supplies one.",
        )
    missing = chosen.evidence.missing_for_promotion()
    if missing:
        failed = " Its gate failed, which is final for its tree." if chosen.gate_status == "failed" else ""
        raise Refused(
            f"{chosen.candidate} cannot be promoted: it lacks {' and '.join(missing)}.{failed}",
            "Supply what is missing, or close with discard.",
        )


def _require_hypothesis(current: Round, hypothesis: HypothesisStatus) -> None:
    """A bug is not evidence against an idea, nor a promise evidence for it: both need a measurement."""
    measured = any(item.evidence.measurements for item in current.attempts)
    if hypothesis in ("supported", "refuted") and not measured:
        raise Refused(
            f"The hypothesis cannot be called {hypothesis}: no candidate of {current.id} was measured.",
            "measure (by the Performance Evaluator) supplies that; otherwise say untested or inconclusive.",
        )


def _require_proof(run: Run, current: Round) -> None:
    """Refused to call an issue done by a round that promotes nothing, unless the round shows enough for it."""
    issue = backlog(run.ledger)[current.opened.body["issue"]]
    if issue.kind in NEED_CHECKPOINT:
        raise Refused(
            f"{issue.id} is a {issue.kind} issue: it is done only with a promoted checkpoint of its round.",
            "Close with decision promote, or with issue_status reopen or abandon.",
        )
    if all(record.body["round"] != current.id for record in run.ledger.records(PROOF_KINDS)):
        raise Refused(
            f"{issue.id} cannot be called done: round {current.id} has no gate, verdict or measurement.",
            "run_gate or submit_verdict (by the Accuracy Judge) or measure (by the Performance Evaluator) supplies "
            "one; otherwise close with issue_status reopen or abandon.",
        )


def _commit(run: Run, current: Round, chosen: Attempt, reason: str) -> str:
    """The checkpoint's commit on top of its base's; no ref points to it before the record stands."""
    repository = repository_of(run)
    base_round = current.opened.body["base_round"]
    parent = repository.ref(f"refs/checkpoints/{base_round}") if base_round else None
    opened = current.opened.body
    message = (
        f"{current.id}: {opened['hypothesis'].splitlines()[0]}\n\n{reason}\n\n"
        f"Issue: {opened['issue']}\nCandidate: {chosen.candidate}\nRun: {run.id}\n"
    )
    return repository.commit(chosen.tree, [parent] if parent else [], message)


def _promotion(run: Run, current: Round, chosen: Attempt, commit: str) -> dict[str, Any]:
    return {
        "checkpoint": chosen.tree,
        "candidate": chosen.candidate,
        "round": current.id,
        "tree": chosen.tree,
        "target_digest": run.target_digest,
        "parent": current.opened.body["base"],
        "commit": commit,
    }
