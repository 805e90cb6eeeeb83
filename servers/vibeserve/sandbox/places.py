"""On which files each role works, and what else its sandbox sees."""

from dataclasses import dataclass
from pathlib import Path

from vibeserve.core.errors import Refused
from vibeserve.core.roles import IMPLEMENTERS, Role
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.lab.isolation import Mount
from vibeserve.lab.serving.launch import MODEL_AT, WORKSPACE_AT
from vibeserve.lab.trees.workspace import repository_of, settle
from vibeserve.sandbox.workbench import Workbench

TARGET_AT = "/target"
PUBLIC = ("OBJECTIVE.md", "README.md", "benchmark")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that appears as /workspace. `meaning` says what it is and what becomes of changes."""

    folder: Path
    writable: bool
    meaning: str

    @property
    def mount(self) -> Mount:
        """The folder at /workspace."""
        return Mount(self.folder, WORKSPACE_AT, writable=self.writable)


def place_of(session: Session, bench: Workbench) -> Place:
    """Where this session's role works.

    Implementer and Human: the workspace. Judge: a read-only checkout of the latest candidate. Evaluator: a
    scratch copy of it, which can never be submitted. Refused when there is no candidate yet.
    """
    if session.role in IMPLEMENTERS:
        settle(session.run)
        return Place(session.run.layout.workspace, True, "the workspace")
    submitted = session.run.ledger.last("candidate.submitted")
    if submitted is None:
        raise Refused(
            "There is no candidate to look at yet.", "submit_candidate, by the Implementer, supplies the first one."
        )
    candidate, tree = submitted.body["candidate"], str(submitted.body["tree"])
    folder = bench.scratch / f"{candidate}-{tree}"
    with bench.lock:
        if not folder.exists():
            repository_of(session.run).checkout(tree, folder)
    if session.role is Role.EVALUATOR:
        return Place(folder, True, f"a scratch copy of {candidate}; changes end with this session")
    return Place(folder, False, f"a read-only checkout of {candidate}")


def shown(run: Run) -> tuple[Mount, ...]:
    """What every role sees read-only: the model and the public part of the target, no reference, no checker."""
    public = [run.layout.target / name for name in PUBLIC]
    mounts = [Mount(path, f"{TARGET_AT}/{path.name}") for path in public if path.exists()]
    return (Mount(run.model, MODEL_AT), *mounts)
