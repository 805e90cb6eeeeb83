"""Exporting the best checkpoint: a folder that starts, says how good it is, and can be checked by its receiver."""

import json
import shutil
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vibeserve import __version__
from vibeserve.checkpoints.next_step import next_step
from vibeserve.core.errors import BadRequest, Refused
from vibeserve.core.ledger import Record
from vibeserve.core.rounds import Attempt, Round, best_attempt, rounds
from vibeserve.core.run import Run
from vibeserve.core.session import Progress
from vibeserve.core.target import target_files
from vibeserve.delivery.assurance import weakest_assurance
from vibeserve.delivery.export.figures import Figures, figures_of
from vibeserve.delivery.export.launching import started_as, write_launch_files
from vibeserve.delivery.export.manifest import (
    FIGURES,
    LEDGER,
    PROVENANCE,
    PUBLIC_KEY,
    SERVER,
    STATEMENT,
    TARGET,
    Manifest,
    listed,
    seal,
)
from vibeserve.delivery.export.provenance import as_ledger, extract, to_line
from vibeserve.delivery.export.readme import readme
from vibeserve.delivery.folder import drafted, writing
from vibeserve.delivery.standing import fallen
from vibeserve.lab.trees.audit import require_clean
from vibeserve.lab.trees.workspace import repository_of


@dataclass(frozen=True, slots=True)
class Exported:
    """What was exported, and what its reader must be told."""

    folder: Path
    manifest: Manifest
    figures: Figures
    notes: tuple[str, ...]


def export(run: Run, out: Path, progress: Progress) -> Exported:
    """Write the best checkpoint to `out`, which must not exist; it appears there whole or not at all.

    Refused when no promoted checkpoint stands, InfrastructureFailed when the run is broken or the disk full.
    """
    if out.exists() or out.is_symlink():
        raise BadRequest(f"{out} exists already, and an export overwrites nothing.", "Name another folder with --out.")
    progress("auditing the run")
    require_clean(run)
    best, notes = _best(rounds(run.ledger, run.target_digest))
    promoted = run.ledger.last("checkpoint.promoted", best.tree)
    assert promoted is not None
    records = extract(run.ledger, best.tree)
    with as_ledger(records) as told:  # a measurement that is recorded meanwhile is in neither
        figures = figures_of(told, promoted, run.target)
    with drafted(out, fresh=True) as draft, writing(out):
        progress("writing server and provenance")
        repository_of(run).checkout(best.tree, draft / SERVER)
        _write_provenance(run, draft, records)
        progress("writing how to start it")
        manifest = _write_around(run, draft, promoted, figures, best.evidence.measurements[-1], notes)
        seal(draft, manifest, run.key)
    return Exported(out, manifest, figures, notes)


def _best(history: list[Round]) -> tuple[Attempt, tuple[str, ...]]:
    """The checkpoint to export, and which ones failed after their promotion; Refused when there is none."""
    best, notes = best_attempt(history), tuple(fallen(history))
    if best is not None:
        return best, notes
    if notes:
        raise Refused(
            f"No promoted checkpoint stands any more. {' '.join(notes)}",
            "Promote another candidate: the Orchestrator opens a round with open_round.",
        )
    missing = next_step(history[-1]) if history else "The Orchestrator opens the first round with open_round."
    raise Refused("The run has no promoted checkpoint, so there is nothing to export.", missing)


def _write_provenance(run: Run, draft: Path, records: list[Record]) -> None:
    (draft / PROVENANCE).mkdir()
    for source in target_files(run.layout.target):
        copy = draft / TARGET / source.relative_to(run.layout.target)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        copy.chmod(0o755 if source.stat().st_mode & stat.S_IXUSR else 0o644)
    lines = "".join(f"{to_line(record)}\n" for record in records)
    (draft / LEDGER).write_text(lines, encoding="utf-8")
    (draft / PUBLIC_KEY).write_text(f"{run.key.public_hex}\n")


def _write_around(
    run: Run, draft: Path, promoted: Record, figures: Figures, measured: Record, notes: tuple[str, ...]
) -> Manifest:
    """Everything beside server and provenance; returns the manifest over all of it."""
    manifest, environment = _manifest(run, promoted), measured.body["environment"]
    (draft / FIGURES).write_text(json.dumps(figures.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
    write_launch_files(draft, started_as(run, environment))
    page = readme(run, manifest, figures, environment, notes)
    (draft / "README.md").write_text(page, encoding="utf-8")
    return manifest.model_copy(update={"files": listed(draft)})


def _manifest(run: Run, promoted: Record) -> Manifest:
    """The manifest but for the files."""
    head = run.ledger.records(newest_first=True, limit=1)[0]
    return Manifest(
        statement=STATEMENT,
        vibeserve=__version__,
        exported_at=datetime.now(UTC).isoformat(timespec="seconds"),
        run=run.id,
        target=run.target.name,
        preset=run.preset_name,
        candidate=promoted.body["candidate"],
        round=promoted.body["round"],
        tree=promoted.subject,
        target_digest=run.target_digest,
        model_digest=str(run.created.body["model_digest"]),
        assurance=weakest_assurance(run.ledger),
        public_key=run.key.public_hex,
        records=head.seq,
        head=head.hash,
        files={},
    )
