"""Measuring a candidate on record: the checks, the comparison, and what is recorded of how it ended."""

import json
import math
import time
from collections import Counter
from typing import Any

from vibeserve.core.disk import require_room
from vibeserve.core.errors import CandidateFailed, InfrastructureFailed, ServerKilled
from vibeserve.core.evidence import GATE_KINDS
from vibeserve.core.ledger import Record
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.lab.judging import Stage
from vibeserve.lab.stand.coverage import coverage_with
from vibeserve.profiler.comparing import (
    FEEDBACK_CHARACTERS,
    Compared,
    FailedUnderLoad,
    compare_systems,
    compare_values,
)
from vibeserve.profiler.results import Also, Measurement
from vibeserve.profiler.secondary import geometric_means, pooled
from vibeserve.profiler.subjects import Subject, earlier_measurements, require_gate, subject_of


def measure(session: Session, candidate: str, against: str) -> Measurement:
    """Measure a gated candidate against `parent`, `baseline` or a baseline's name; record `measurement.recorded`.

    A candidate that does not start, that dies or does not serve under the timed load, or whose timed responses
    are wrong, is recorded as `gate.failed` at stage "served" and raised as CandidateFailed. Trouble elsewhere is
    recorded as `infrastructure.failed` and counts against nobody.
    """
    subject = subject_of(session.run, candidate, against)
    require_gate(session.run, subject)
    # Refuses before minutes of work; what is pooled is read when it is recorded.
    earlier_measurements(session.run, subject)
    begun = time.monotonic()
    try:
        compared = compare_systems(session, subject.tree, subject.against_tree)
    except FailedUnderLoad as failed:
        raise _fail_gate(session, subject, failed.stage, begun) from failed
    except InfrastructureFailed as error:
        require_room(session.run.layout.root)
        _record_infrastructure(session, subject, error)
        raise
    return _record(session, subject, compared)


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


def _record(session: Session, subject: Subject, compared: Compared) -> Measurement:
    """Pool with all that is on record now and append: a measurement that ran meanwhile counts among the looks."""
    run, served = session.run, compared.served
    windows = [window.to_json() for window in compared.windows]
    artifact = run.artifacts.put(json.dumps(windows, indent=1), "measurement.json")
    covered = coverage_with(run, served=served.status != "not_applicable")
    with run.tx() as tx:
        require_gate(run, subject)  # another measurement may have failed the tree meanwhile
        measurement = Measurement(
            measurement=f"M{run.ledger.count('measurement.recorded') + 1}",
            candidate=subject.candidate,
            round=subject.round,
            tree=subject.tree,
            target_digest=run.target_digest,
            against=subject.against,
            against_tree=subject.against_tree,
            **_pooled(run, subject, compared),
            values=compared.values,
            seeds=compared.seeds,
            served=_finite(served.model_dump(exclude={"name", "evidence"})),
            coverage=covered.applies,
            not_applicable=covered.not_applicable,
            foreign_cores=compared.foreign_cores,
            void_windows=dict(Counter(window.side for window in compared.windows if window.value is None)),
            environment=compared.environment,
            artifact=artifact,
        )
        session.append(tx, "measurement.recorded", subject.tree, measurement.model_dump(mode="json"))
    return measurement


def _pooled(run: Run, subject: Subject, compared: Compared) -> dict[str, Any]:
    """The figures over all pairs that were measured against this side on this machine."""
    benchmark = run.target.benchmark
    same_machine = [
        record for record in earlier_measurements(run, subject) if record.body["environment"] == compared.environment
    ]
    pairs = [tuple(pair) for record in same_machine for pair in record.body["values"]] + compared.values
    comparison = compare_values(run, pairs)
    value, against_value = geometric_means(pairs)
    return {
        "metric": benchmark.metric,
        "unit": benchmark.unit,
        "direction": benchmark.direction,
        "value": value,
        "against_value": against_value,
        "ratio": comparison.ratio,
        "ci95": comparison.ci95,
        "pairs": comparison.pairs,
        "pooled": len(same_machine) + 1,
        "outcome": comparison.verdict,
        "also": [
            pooled(figure, _entries_of(figure, same_machine), benchmark.relative_noise) for figure in compared.also
        ],
    }


def _entries_of(figure: Also, records: list[Record]) -> list[Also]:
    """A secondary figure as each of these measurements has it."""
    entries = (Also.model_validate(entry) for record in records for entry in record.body["also"])
    return [entry for entry in entries if entry.name == figure.name]


def _record_infrastructure(session: Session, subject: Subject, error: InfrastructureFailed) -> None:
    body = {
        "tool": "measure",
        "candidate": subject.candidate,
        "round": subject.round,
        "tree": subject.tree,
        "target_digest": session.run.target_digest,
        "reason": error.message,
        "evidence": error.evidence[-2000:],
        **({"killed": True} if isinstance(error, ServerKilled) else {}),
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
