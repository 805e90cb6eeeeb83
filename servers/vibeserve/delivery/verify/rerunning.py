"""Gate and measurement of a checkpoint once more, in a fresh run: another key, fresh seeds, the receiver's machine."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vibeserve.accuracy.gate import examine
from vibeserve.core.errors import BadRequest, InfrastructureFailed, Refused
from vibeserve.core.folders import remove_folder
from vibeserve.core.roles import Actor, Role
from vibeserve.core.run import Run, create_run
from vibeserve.core.session import Progress, Session
from vibeserve.delivery.verify.agreement import Again, Rerun, beside, concluded, stage_facts
from vibeserve.delivery.verify.receiving import Claimed, model_of
from vibeserve.lab.judging import Stage
from vibeserve.lab.models import PreparedModel
from vibeserve.lab.stand.coverage import SERVED
from vibeserve.lab.stand.systems import REFERENCE, baseline_tree
from vibeserve.lab.trees.workspace import repository_of
from vibeserve.profiler.comparing import FailedUnderLoad, compare_systems
from vibeserve.profiler.environment import environment

KIND = "verification.recorded"


def rerun(claimed: Claimed, model: Path | None, work: Path | None, progress: Progress) -> Rerun:
    """Gate and measure in a fresh run, which records `verification.recorded`: in `work`, kept, or gone afterwards.

    Raises Refused when model, target or files are not those of the claim, BadRequest when `work` exists.
    """
    with _folder(work) as folder:
        prepared = model_of(claimed, model, folder / "model", progress)
        _require_model(claimed, prepared)
        progress("making a fresh run with a key of its own")
        settings = {"verifies": claimed.run}
        run = create_run(
            claimed.target, claimed.preset, prepared.path, prepared.digest, folder / "run", settings=settings
        )
        session = Session(run, Actor(Role.HUMAN, "verify", client="vibeserve verify"), progress)
        try:
            _require_same(run, claimed)
            outcome = _gate_and_measure(session, claimed, str(run.layout.root) if work else None)
            with run.tx() as tx:
                about = {"verifies": claimed.run, "tree": claimed.tree, "target_digest": run.target_digest}
                session.append(tx, KIND, claimed.tree, outcome.model_dump(mode="json") | about)
            return outcome
        finally:
            session.close()
            run.database.close()


@contextmanager
def _folder(work: Path | None) -> Iterator[Path]:
    """`work`, new and kept; or a folder that is gone after the context."""
    if work is not None:
        try:
            work.mkdir(parents=True)
        except FileExistsError as error:
            raise BadRequest(f"{work} exists already.", "Name a new folder with --work.") from error
        yield work
        return
    private = Path(tempfile.mkdtemp(prefix="vibeserve-verify-"))
    try:
        yield private
    finally:
        remove_folder(private)


def _require_model(claimed: Claimed, model: PreparedModel) -> None:
    if model.digest != claimed.model_digest:
        raise Refused(
            f"The model in {model.path} has the digest {model.digest[:12]}…, and the checkpoint was judged with "
            f"{claimed.model_digest[:12]}….",
            "Give the folder of that model with --model; the export's README says where it comes from.",
        )


def _require_same(run: Run, claimed: Claimed) -> None:
    """The fresh run judges by the same target, and what it judges are the same files."""
    if run.target_digest != claimed.target_digest:
        raise Refused(
            "The target is not the one that the checkpoint was judged by.", "Verify an unmodified export or run."
        )
    tree = repository_of(run).snapshot(claimed.server)
    if tree != claimed.tree:
        raise Refused(
            f"The server's files are tree {tree[:12]}, not {claimed.tree[:12]}.", "Verify an unmodified export."
        )


def _gate_and_measure(session: Session, claimed: Claimed, kept: str | None) -> Rerun:
    """Both, as far as they get. What the machinery fails at is inconclusive, and shows nothing."""
    stages: list[Stage] = []
    measured: list[Again] = []
    reason: str | None = None
    try:
        examined = examine(session, claimed.tree)
        stages, gate = examined.stages, examined.outcome
        if gate == "passed":
            measured = [_again(session, claimed, against) for against in _systems(session.run)]
        else:
            reason = f"stage {stages[-1].name}: {stages[-1].feedback}"
    except FailedUnderLoad as failed:
        stages, gate, reason = [*stages, failed.stage], "failed", f"stage {SERVED}: {failed.stage.feedback}"
    except InfrastructureFailed as error:
        gate, reason = "inconclusive", error.message
    conclusion, said = concluded(gate, measured)
    return Rerun(
        ok=conclusion in ("reproduces", "gate_passed"),
        conclusion=conclusion,
        said=said,
        reason=reason,
        gate=gate,
        stages=[stage_facts(stage) for stage in stages],
        measured=measured,
        environment=environment(),
        public_key=session.run.key.public_hex,
        run=kept,
    )


def _systems(run: Run) -> list[str]:
    strong = run.target.strong_baseline
    return [REFERENCE, *([baseline_tree(strong)] if strong else [])]


def _again(session: Session, claimed: Claimed, against_tree: str) -> Again:
    session.progress(f"measuring against {against_tree}")
    compared = compare_systems(session, claimed.tree, against_tree)
    claim = next((one for one in claimed.claims if one.against_tree == against_tree), None)
    return beside(compared, against_tree, claim)
