"""Directions: ideas with a status that the evidence must carry, and that a later record may supersede."""

from vibeserve.core.errors import BadRequest, Conflict, NotFound, Refused
from vibeserve.core.evidence import PERMISSION_STAGES, evidence_on, failed_stage, record_of
from vibeserve.core.ledger import Ledger, Record
from vibeserve.core.session import Session
from vibeserve.core.texts import require_text
from vibeserve.memory.results import DirectionStatus, DirectionView, RecordedDirection

NAME_BYTES = 80
TEXT_BYTES = 600
MAX_EVIDENCE = 10
_AGAINST_AN_IDEA = ("measurement.recorded", "evaluation.given")


def record_direction(
    session: Session,
    name: str,
    mechanism: str,
    hypothesis: str,
    status: DirectionStatus,
    evidence: list[str],
    supersedes: str | None,
) -> RecordedDirection:
    """Record `memory.direction`; refused for a status that the evidence does not carry."""
    fields = {
        "name": require_text("name", " ".join(name.split()), NAME_BYTES),
        "mechanism": require_text("mechanism", mechanism, TEXT_BYTES),
        "hypothesis": require_text("hypothesis", hypothesis, TEXT_BYTES),
        "status": status,
        "evidence": list(dict.fromkeys(evidence)),
        "supersedes": supersedes or None,
    }
    run = session.run
    _require_carried(run.ledger, status, _records(run.ledger, evidence))
    with run.tx() as tx:
        _require_free(str(fields["name"]), supersedes or None, current_directions(run.ledger))
        direction = f"D{run.ledger.count('memory.direction') + 1}"
        session.append(tx, "memory.direction", direction, fields | {"direction": direction})
    return RecordedDirection(direction=direction, name=str(fields["name"]), status=status)


def current_directions(ledger: Ledger) -> list[DirectionView]:
    """The directions that no later one supersedes, oldest first."""
    views = [DirectionView.model_validate(record.body) for record in ledger.records("memory.direction")]
    superseded = {view.supersedes for view in views}
    return [view for view in views if view.direction not in superseded]


def _records(ledger: Ledger, evidence: list[str]) -> list[Record]:
    if len(evidence) > MAX_EVIDENCE:
        raise BadRequest(f"evidence has {len(evidence)} ids, more than {MAX_EVIDENCE}.", "Name the most telling ones.")
    records = []
    for name in evidence:
        record = record_of(ledger, name)
        if record is None:
            raise NotFound(f"The ledger has nothing called {name[:60]!a}.", "Use ids that tools returned, such as M1.")
        records.append(record)
    return records


def _require_carried(ledger: Ledger, status: DirectionStatus, records: list[Record]) -> None:
    """A bug is not evidence against an idea, and only a measurement proves or disproves one."""
    kinds = {record.kind for record in records}
    if status == "unsuitable" and not any(_speaks_against(ledger, record) for record in records):
        only = "its only evidence is failed gates" if "gate.failed" in kinds else "there is no evidence for it"
        raise Refused(
            f"The direction cannot be called unsuitable: {only}, and a bug is not evidence against an idea.",
            "Name a measurement, an evaluation, or a failing verdict on a candidate that passed the gate or used "
            "what the target does not permit; otherwise record it as needs_debugging.",
        )
    if status in ("proven", "disproven") and "measurement.recorded" not in kinds:
        raise Refused(
            f"The direction cannot be called {status} without a measurement.",
            "Name one (measure, by the Performance Evaluator); otherwise record it as promising or inconclusive.",
        )


def _speaks_against(ledger: Ledger, record: Record) -> bool:
    """Whether a record can count against an idea. A verdict that merely restates a failed gate cannot."""
    if record.kind != "verdict.given":
        return record.kind in _AGAINST_AN_IDEA
    gate = evidence_on(ledger, record.subject, record.body["target_digest"]).gate
    stage = failed_stage(gate)
    judged = gate is not None and (gate.kind == "gate.passed" or (stage or {}).get("name") in PERMISSION_STAGES)
    return judged and record.body["verdict"] == "fail"


def _require_free(name: str, supersedes: str | None, standing: list[DirectionView]) -> None:
    """A name stands once; a direction is superseded once."""
    if supersedes is not None and all(item.direction != supersedes for item in standing):
        raise Conflict(
            f"{supersedes[:60]!a} is no standing direction.", "read_memory with directions shows which stand."
        )
    same = next((item for item in standing if item.name.casefold() == name.casefold()), None)
    if same is not None and same.direction != supersedes:
        raise Conflict(
            f"{same.direction} has this name and says {same.status}.",
            f"Call again with supersedes {same.direction} to replace it, or choose another name.",
        )
