"""Evaluations of measured candidates, and the history of all measurements."""

from vibeserve.core.errors import BadRequest, Refused
from vibeserve.core.evidence import evidence_on
from vibeserve.core.ledger import Record
from vibeserve.core.session import Session
from vibeserve.profiler.results import Evaluation, Trend, TrendRow
from vibeserve.profiler.subjects import require_candidate

SUMMARY_CHARACTERS = 2000
LINE_CHARACTERS = 500
MAX_SUGGESTIONS = 5
ROWS = 20


def submit(
    session: Session, candidate: str, summary: str, bottleneck: str | None, suggestions: list[str]
) -> Evaluation:
    """Record `evaluation.given`; refused without a measurement of the candidate's tree."""
    _check("summary", summary, SUMMARY_CHARACTERS)
    if bottleneck is not None:
        _check("bottleneck", bottleneck, LINE_CHARACTERS)
    if len(suggestions) > MAX_SUGGESTIONS:
        raise BadRequest(
            f"There are {len(suggestions)} suggestions, more than {MAX_SUGGESTIONS}.",
            "Send the strongest; file_issue takes others.",
        )
    for suggestion in suggestions:
        _check("each suggestion", suggestion, LINE_CHARACTERS)
    run, submitted = session.run, require_candidate(session.run, candidate)
    body = submitted.body
    if not evidence_on(run.ledger, submitted.subject, run.target_digest).measurements:
        raise Refused(
            f"{body['candidate']} has no measurement to evaluate.",
            "measure by the Performance Evaluator supplies it.",
        )
    with run.tx() as tx:
        evaluation = Evaluation(
            evaluation=f"E{run.ledger.count('evaluation.given') + 1}",
            candidate=body["candidate"],
            round=body["round"],
            tree=submitted.subject,
        )
        said = {"summary": summary, "bottleneck": bottleneck, "suggestions": suggestions}
        recorded = evaluation.model_dump() | {"target_digest": run.target_digest} | said
        session.append(tx, "evaluation.given", submitted.subject, recorded)
    return evaluation


def trend(session: Session, cursor: int | None) -> Trend:
    """A page of measurements under this run's target, newest first."""
    run, benchmark = session.run, session.run.target.benchmark
    records = [
        record
        for record in run.ledger.records("measurement.recorded", newest_first=True)
        if record.body["target_digest"] == run.target_digest and (cursor is None or record.seq < cursor)
    ]
    page = records[:ROWS]
    return Trend(
        metric=benchmark.metric,
        unit=benchmark.unit,
        direction=benchmark.direction,
        rows=[_row(record) for record in page],
        next_cursor=page[-1].seq if len(records) > ROWS else None,
    )


def _row(record: Record) -> TrendRow:
    body = record.body
    return TrendRow(
        round=body["round"],
        candidate=body["candidate"],
        measurement=body["measurement"],
        tree=body["tree"][:12],
        against=body["against"],
        ratio=round(body["ratio"], 4),
        ci95=(round(body["ci95"][0], 4), round(body["ci95"][1], 4)),
        outcome=body["outcome"],
        value=round(body["value"], 4),
        at=record.at,
    )


def _check(name: str, text: str, limit: int) -> None:
    if not text.strip() or len(text) > limit:
        raise BadRequest(
            f"{name} has {len(text)} characters; it takes 1 to {limit} that are not blank.", "Send it again."
        )
