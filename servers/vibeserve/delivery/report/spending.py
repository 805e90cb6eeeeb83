"""Where a run's time went: per role the turns, calls and seconds, and what lay between the turns."""

from collections import defaultdict
from datetime import datetime

from vibeserve.core.ledger import Record
from vibeserve.core.roles import SYSTEM
from vibeserve.core.run import Run
from vibeserve.delivery.facts import RoleSeconds, Seconds
from vibeserve.delivery.report.confirming import REPORTER


def seconds_spent(run: Run) -> Seconds:
    """Wall time from the first turn's start to the last one's end, by role; None where no driver played turns."""
    ended = {record.subject: record for record in run.ledger.records("turn.ended")}
    driven = sum(record.body["seconds"] for record in ended.values())
    total = _wall_s(run, list(ended.values()))
    return Seconds(
        total=total,
        per_role={role: _role(sessions, ended, driven) for role, sessions in sorted(_sessions(run).items())},
        overhead=round(total - driven, 3) if total is not None else None,
    )


def _sessions(run: Run) -> dict[str, dict[str, int]]:
    """Role → session → its records. What the house itself recorded is nobody's turn."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for record in run.ledger.records():
        if record.actor.client not in (SYSTEM, REPORTER):
            found[record.actor.role.value][record.actor.session] += 1
    return found


def _role(sessions: dict[str, int], ended: dict[str, Record], driven_s: float) -> RoleSeconds:
    turns = [ended[session].body for session in sessions if session in ended]
    spent = sum(turn["seconds"] for turn in turns)
    return RoleSeconds(
        turns=len(sessions),
        calls=sum(turn["calls"] for turn in turns) if turns else None,
        seconds=round(spent, 3) if turns else None,
        share=round(spent / driven_s, 4) if turns and driven_s else None,
        records=sum(sessions.values()),
    )


def _wall_s(run: Run, ended: list[Record]) -> float | None:
    started = run.ledger.records("turn.started", limit=1)
    if not started or not ended:
        return None
    first, last = (datetime.fromisoformat(at) for at in (started[0].at, ended[-1].at))
    return round((last - first).total_seconds(), 3)
