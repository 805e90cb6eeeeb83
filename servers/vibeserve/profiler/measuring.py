"""Measuring: what may be measured, against what, and what is recorded of it."""

import contextlib
import json
import math
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vibeserve.core.artifacts import printable
from vibeserve.core.errors import CandidateFailed, InfrastructureFailed, NotFound, Refused
from vibeserve.core.evidence import GATE_KINDS, candidate_record, evidence_on
from vibeserve.core.ledger import Record
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.core.texts import fenced
from vibeserve.lab.judging import Stage
from vibeserve.lab.load import compare
from vibeserve.lab.stand.coverage import SERVED, coverage_with
from vibeserve.lab.stand.inputs import require_unchanged
from vibeserve.lab.stand.scratch import scratch_folder
from vibeserve.lab.stand.systems import REFERENCE
from vibeserve.profiler.environment import environment
from vibeserve.profiler.lease import device_lease
from vibeserve.profiler.pairs import Timed, time_pairs
from vibeserve.profiler.results import Against, Measurement
from vibeserve.profiler.served import judge_served
from vibeserve.profiler.sides import start_side

MAX_LOOKS = 4
DEVICE = "host"
LOG_EXCERPT_CHARACTERS = 700
FEEDBACK_CHARACTERS = 1200
WORD_CHARACTERS = FEEDBACK_CHARACTERS - LOG_EXCERPT_CHARACTERS - 200  # of ours before a log, its marks left room


@dataclass(frozen=True)
class Subject:
    """What is measured: a candidate's tree against another tree, or against the reference."""

    candidate: str
    round: str
    tree: str
    against: Against
    against_tree: str


def measure(session: Session, candidate: str, against: Against) -> Measurement:
    """Measure a gated candidate and record `measurement.recorded`.

    A candidate that does not start, that dies or does not serve under the timed load, or whose timed responses
    are wrong, is recorded as `gate.failed` at stage "served" and raised as CandidateFailed. Trouble elsewhere is
    recorded as `infrastructure.failed` and counts against nobody.
    """
    subject = _subject(session.run, candidate, against)
    _require_gate(session.run, subject)
    _earlier(session.run, subject)  # refuses before minutes of work; what is pooled is read when it is recorded
    begun = time.monotonic()
    with scratch_folder(session.run, "measure") as scratch:
        try:
            require_unchanged(session)
            timed, stage = _time_and_judge(session, subject, scratch)
            require_unchanged(session)
        except InfrastructureFailed as error:
            _record_infrastructure(session, subject, error)
            raise
    if stage.status == "failed":
        raise _fail_gate(session, subject, stage, begun)
    assert timed is not None
    return _record(session, subject, timed, stage)


def require_candidate(run: Run, candidate: str) -> Record:
    """The candidate's record, or NotFound."""
    record = candidate_record(run.ledger, candidate)
    if record is None:
        raise NotFound(f"There is no candidate {candidate[:60]}.", "show_round names the candidates of a round.")
    return record


def _subject(run: Run, candidate: str, against: Against) -> Subject:
    body = require_candidate(run, candidate).body
    against_tree = str(body["base"]) if against == "parent" else REFERENCE
    return Subject(body["candidate"], body["round"], body["tree"], against, against_tree)


def _require_gate(run: Run, subject: Subject) -> None:
    gate = evidence_on(run.ledger, subject.tree, run.target_digest).gate
    if gate is None or gate.kind == "gate.inconclusive":
        raise Refused(
            f"{subject.candidate} has not passed the gate, so it cannot be measured.",
            "run_gate by the Accuracy Judge supplies it.",
        )
    if gate.kind == "gate.failed":
        raise Refused(
            f"{subject.candidate} failed the gate ({gate.body['gate']}), which is final for its tree.",
            "show_gate says why; the Implementer submits another candidate.",
        )


def _earlier(run: Run, subject: Subject) -> list[Record]:
    """Measurements of this tree against the same other tree; at most MAX_LOOKS may be taken."""
    measured = evidence_on(run.ledger, subject.tree, run.target_digest).measurements
    same = [record for record in measured if record.body["against_tree"] == subject.against_tree]
    if len(same) >= MAX_LOOKS:
        raise Refused(
            f"{subject.candidate} was measured {MAX_LOOKS} times against this side; more looks would find "
            "a difference by chance.",
            "trend shows the pooled result: conclude from it with submit_evaluation.",
        )
    return same


def _time_and_judge(session: Session, subject: Subject, scratch: Path) -> tuple[Timed | None, Stage]:
    """The timed section and the stage "served"; without the former where the candidate failed in it."""
    try:
        timed = _time(session, subject, scratch)
    except CandidateFailed as error:
        log = fenced(printable(error.evidence)[-LOG_EXCERPT_CHARACTERS:])
        said = error.message[:WORD_CHARACTERS]
        feedback = f"{said}\nEnd of its log:\n{log}" if log else said
        return None, Stage(name=SERVED, status="failed", feedback=feedback, evidence=error.evidence)
    return timed, judge_served(session, timed, scratch)


def _time(session: Session, subject: Subject, scratch: Path) -> Timed:
    """Start both sides, time them under the device's lease, stop both."""
    with contextlib.ExitStack() as stack:
        session.progress("starting the candidate")
        candidate = start_side(session, stack, subject.tree, scratch, is_candidate=True)
        session.progress("starting the other side")
        other = start_side(session, stack, subject.against_tree, scratch, is_candidate=False)
        with device_lease(DEVICE, session.cancelled, session.progress):
            return time_pairs(session, candidate, other, scratch)


def _fail_gate(session: Session, subject: Subject, stage: Stage, begun: float) -> CandidateFailed:
    """Record that the tree failed at stage "served"; returns what to raise."""
    run = session.run
    artifact = run.artifacts.put(stage.model_dump_json(indent=1), "served.json")
    with run.tx() as tx:
        gate = f"G{sum(run.ledger.count(kind) for kind in GATE_KINDS) + 1}"
        body = {
            "gate": gate,
            "candidate": subject.candidate,
            "round": subject.round,
            "tree": subject.tree,
            "target_digest": run.target_digest,
            "seconds": round(time.monotonic() - begun, 3),
            "stages": [_finite(stage.model_dump(exclude={"evidence"}))],
            "artifact": artifact,
        }
        session.append(tx, "gate.failed", subject.tree, body)
    return CandidateFailed(
        f"{subject.candidate} failed under load: {stage.feedback[:FEEDBACK_CHARACTERS]}",
        f"The measurement is void, and {gate} failed the tree at stage served: back to the Implementer.",
        evidence=f"artifact {artifact}",
    )


def _record(session: Session, subject: Subject, timed: Timed, stage: Stage) -> Measurement:
    """Pool with all that is on record now and append: a measurement that ran meanwhile counts among the looks."""
    run, benchmark = session.run, session.run.target.benchmark
    here = environment()
    windows = [window.to_json() for window in timed.windows]
    artifact = run.artifacts.put(json.dumps(windows, indent=1), "measurement.json")
    covered = coverage_with(run, served=stage.status != "not_applicable")
    with run.tx() as tx:
        _require_gate(run, subject)  # another measurement may have failed the tree meanwhile
        same_machine = [record for record in _earlier(run, subject) if record.body["environment"] == here]
        pooled = [tuple(pair) for record in same_machine for pair in record.body["values"]] + timed.values
        comparison = compare(pooled, direction=benchmark.direction, relative_noise=benchmark.relative_noise)
        measurement = Measurement(
            measurement=f"M{run.ledger.count('measurement.recorded') + 1}",
            candidate=subject.candidate,
            round=subject.round,
            tree=subject.tree,
            target_digest=run.target_digest,
            against=subject.against,
            against_tree=subject.against_tree,
            metric=benchmark.metric,
            unit=benchmark.unit,
            direction=benchmark.direction,
            value=statistics.geometric_mean(mine for mine, _ in pooled),
            against_value=statistics.geometric_mean(other for _, other in pooled),
            ratio=comparison.ratio,
            ci95=comparison.ci95,
            pairs=comparison.pairs,
            pooled=len(same_machine) + 1,
            outcome=comparison.verdict,
            values=timed.values,
            seeds=timed.seeds,
            served=_finite(stage.model_dump(exclude={"name", "evidence"})),
            coverage=covered.applies,
            not_applicable=covered.not_applicable,
            foreign_cores=round(statistics.fmean(window.foreign_cores for window in timed.windows), 3),
            environment=here,
            artifact=artifact,
        )
        session.append(tx, "measurement.recorded", subject.tree, measurement.model_dump(mode="json"))
    return measurement


def _record_infrastructure(session: Session, subject: Subject, error: InfrastructureFailed) -> None:
    body = {
        "tool": "measure",
        "candidate": subject.candidate,
        "round": subject.round,
        "tree": subject.tree,
        "target_digest": session.run.target_digest,
        "reason": error.message,
        "evidence": error.evidence[-2000:],
    }
    with session.run.tx() as tx:
        session.append(tx, "infrastructure.failed", subject.tree, body)


def _finite(stage: dict[str, Any]) -> Any:
    """A stage for the ledger, which holds finite numbers only: others become text."""
    for part in ("measured", "threshold"):
        stage[part] = {
            key: value if isinstance(value, str) or math.isfinite(value) else str(value)
            for key, value in stage[part].items()
        }
    return stage
