"""Making a report: the best measured once more where that is possible, then all files at once."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from vibeserve.core.errors import Refused
from vibeserve.core.evidence import open_round_record
from vibeserve.core.locks import exclusive_at_once
from vibeserve.core.rounds import best_attempt, rounds
from vibeserve.core.run import Run
from vibeserve.core.session import Progress, Session
from vibeserve.delivery.attribution import attribute
from vibeserve.delivery.facts import Report
from vibeserve.delivery.folder import drafted, writing
from vibeserve.delivery.pooling import measured_on
from vibeserve.delivery.report.confirming import confirm_best, reporting_session, unconfirmed
from vibeserve.delivery.report.gathering import gather, require_reportable
from vibeserve.delivery.report.page import page
from vibeserve.delivery.report.plot import draw
from vibeserve.profiler.environment import differences, environment

FILES = ("report.md", "report.json", "trajectory.png", "trajectory.svg")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller asked for: to measure the best once more where that is missing; to take changes out of it."""

    measure: bool = True
    attribute: bool = False


def make_report(run: Run, out: Path, wanted: Wanted, progress: Progress) -> Report:
    """Write report.md, report.json and the trajectory into `out`.

    Raises BadRequest for an `out` that cannot be written, Refused for a run without rounds, InfrastructureFailed
    for a broken run or a full disk. The run is only ever added to: by measurements and attributions.
    """
    with drafted(out) as draft:
        progress("auditing the run")
        require_reportable(run)
        with ExitStack() as stack:
            obstacle = _obstacle(run, stack)
            notes = _measure(run, wanted, obstacle, progress)
        progress("drawing")
        report = gather(run, notes)
        with writing(out):
            _write(report, draft)
    return report


def _measure(run: Run, wanted: Wanted, obstacle: str | None, progress: Progress) -> list[str]:
    """Add what is missing to the run; returns what the reader must be told."""
    if obstacle and wanted.attribute:
        raise Refused(f"Leave-one-out cannot be done now: {obstacle}", "Make the report without --attribute.")
    if best_attempt(rounds(run.ledger, run.target_digest)) is None:
        return ["No promoted checkpoint stands, so there is no best to confirm or to export."]
    if obstacle:
        return [f"As of record {len(run.ledger.records())}; nothing was measured for this report: {obstacle}"]
    session = reporting_session(run, progress)
    try:
        return _measured(session, wanted)
    finally:
        session.close()


def _measured(session: Session, wanted: Wanted) -> list[str]:
    """Confirm the best, then take changes out of what still stands."""
    notes = confirm_best(session) if wanted.measure else []
    best = best_attempt(rounds(session.run.ledger, session.run.target_digest))
    if best is None:
        return notes
    if not wanted.measure and unconfirmed(session.run, best):
        notes.append(f"{best.candidate} was not measured once more after its promotion, as asked.")
    if wanted.attribute:
        attribute(session, best.tree)
    return notes


def _obstacle(run: Run, stack: ExitStack) -> str | None:
    """Why nothing may be measured now. Until `stack` closes no driver starts on a run that has none."""
    alone = stack.enter_context(exclusive_at_once(run.layout.root / "driver.lock"))
    current = open_round_record(run.ledger)
    if not alone:
        return "a driver is playing the run, which may still change the best and needs the machine."
    if current is not None:
        return f"round {current.subject} is open, so the best may still change."
    there, here = measured_on(run), environment()
    if there is not None and there != here:
        return (
            f"this machine is not the one that the run was measured on ({differences(there, here)}). All figures are "
            f"of that one; `vibeserve verify {run.layout.root} --rerun` measures on this one."
        )
    return None


def _write(report: Report, draft: Path) -> None:
    (draft / FILES[0]).write_text(page(report), encoding="utf-8")
    (draft / FILES[1]).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    draw(report, draft)
