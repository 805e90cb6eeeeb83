"""The audit of a run with its repository: the ledger's own, and that every promoted tree can be checked out."""

from dataclasses import replace

from vibeserve.core.audit import Audit, audit
from vibeserve.core.errors import InfrastructureFailed, VibeServeError
from vibeserve.core.run import Run
from vibeserve.lab.trees.workspace import repository_of


def audit_run(run: Run) -> Audit:
    """`core.audit.audit`, and whether each promoted tree and its commit are in the repository."""
    outcome = audit(run)
    if not outcome.ok or not outcome.promotions:
        return outcome
    repository = repository_of(run)
    for record in run.ledger.records("checkpoint.promoted"):
        try:
            repository.require_tree(record.subject)
            repository.files(record.subject)
        except VibeServeError as error:
            problem = f"its tree {record.subject[:12]} cannot be read from checkpoints.git: {error.message}"
            return replace(outcome, ok=False, broken_seq=record.seq, problem=problem)
    return outcome


def require_clean(run: Run) -> None:
    """InfrastructureFailed when the audit finds anything."""
    outcome = audit_run(run)
    if not outcome.ok:
        raise InfrastructureFailed(
            f"The run {run.id} is broken at record {outcome.broken_seq}: {outcome.problem}.",
            "Nothing was done. Go on with an intact copy of the run directory.",
        )
