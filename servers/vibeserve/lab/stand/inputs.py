"""Evidence names a target digest: before any is made, target and model must still be those of the run."""

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.core.target import digest_folder, target_files
from vibeserve.lab.models import default_cache, folder_digest

DIGITS_OF_EACH = 32  # the target digest of a run is as many of the snapshot's and as many of the model's


def require_unchanged(session: Session) -> None:
    """Raise InfrastructureFailed when the target's snapshot or the model is not what the run was made with.

    The model's content is read again only when the status of one of its files changed.
    """
    run = session.run
    if not _snapshot_is_unchanged(run):
        raise InfrastructureFailed(
            "The run's snapshot of its target was changed after the run was made, so nothing can be judged with it.",
            "Put its files back as they were, or make a new run with `vibeserve new`.",
        )
    if folder_digest(run.model, default_cache(), session.progress) != run.created.body["model_digest"]:
        raise InfrastructureFailed(
            f"The model in {run.model} is not the one that the run was made with.",
            "Put the model back (`vibeserve model fetch TARGET` or the preset's build), or make a new run.",
        )


def _snapshot_is_unchanged(run: Run) -> bool:
    """Whether the snapshot has the digest of its making, and no files beside that a digest leaves out."""
    snapshot = run.layout.target
    if any(path.is_symlink() or path.is_file() for path in set(snapshot.rglob("*")) - set(target_files(snapshot))):
        return False
    return digest_folder(snapshot)[:DIGITS_OF_EACH] == run.target_digest[:DIGITS_OF_EACH]
