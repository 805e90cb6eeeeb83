"""Work that outlasts a call: started in a thread of the process that owns it, waited on from any process.

The owner's death ends a job as `infrastructure.failed`; the next one who asks is told so.
"""

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from vibeserve.core import errors
from vibeserve.core.disk import as_disk_full
from vibeserve.core.errors import InfrastructureFailed, NotFound, VibeServeError
from vibeserve.core.processes import is_alive, own_identity
from vibeserve.core.roles import Role, system_actor
from vibeserve.core.run import Run
from vibeserve.core.session import Session

OnWait = Callable[[float, str], None]
Work = Callable[[Session], dict[str, Any]]

MIGRATIONS = [
    """
    CREATE TABLE jobs (
        number INTEGER PRIMARY KEY, tool TEXT NOT NULL, session TEXT NOT NULL, role TEXT NOT NULL,
        owner TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('running', 'done', 'failed', 'lost')),
        message TEXT NOT NULL DEFAULT '', result TEXT
    );
    """
]

_OUTCOMES: dict[tuple[Path, int], tuple[str, str]] = {}
"""How the jobs of this process ended, for its own waiters, also when the database cannot be written."""

POLL_S = 0.2
REPORT_EVERY_S = 1.0


def no_wait(_elapsed_s: float, _message: str) -> None:
    """Nobody watches the waiting."""


def start(session: Session, tool: str, work: Work) -> str:
    """Start `work` in a thread of this process and return the job's id, `J…`."""
    session.run.database.migrate("jobs", MIGRATIONS)
    with session.run.tx() as tx:
        cursor = tx.execute(
            "INSERT INTO jobs (tool, session, role, owner, status) VALUES (?, ?, ?, ?, 'running')",
            (tool, session.actor.session, session.role.value, own_identity()),
        )
    number = int(cursor.lastrowid or 0)
    thread = threading.Thread(target=_work, args=(session, number, work), name=f"job-{number}", daemon=True)
    session.resources.callback(thread.join, 30)
    thread.start()
    return f"J{number}"


def wait(session: Session, job: str, tool: str, wait_s: float, on_wait: OnWait = no_wait) -> dict[str, Any]:
    """The job's result, or `{status: running, job, message}` after `wait_s`. Raises what the job raised.

    Roles hear of their own jobs only; a person hears of all.
    """
    begun = time.monotonic()
    reported = begun
    while True:
        row = _row(session.run, job, tool)
        if session.role not in (Role.HUMAN, row["role"]):
            raise _no_job(job, tool)
        if row["status"] != "running":
            return _ended(row)
        now = time.monotonic()
        if now - begun >= wait_s:
            return {"status": "running", "job": job, "message": row["message"]}
        if now - reported >= REPORT_EVERY_S:
            on_wait(now - begun, row["message"])
            reported = now
        time.sleep(POLL_S)


def sweep(run: Run) -> list[str]:
    """End every job whose owner is dead as `infrastructure.failed`, clear its scratch; returns their ids."""
    run.database.migrate("jobs", MIGRATIONS)
    lost = []
    for row in run.database.read("SELECT * FROM jobs WHERE status = 'running'"):
        if not is_alive(row["owner"]) and _mark_lost(run, row["number"], row["tool"]):
            lost.append(f"J{row['number']}")
    run.clear_scratch()
    return lost


def _work(session: Session, number: int, work: Work) -> None:
    """The body of a job's thread: whatever happens, the job ends."""
    inner = replace(session, progress=lambda message: _note(session.run, number, message))
    try:
        status, result = "done", work(inner)
    except VibeServeError as error:
        status, result = "failed", _error_json(error)
    except Exception as error:  # a defect of ours must end the job, not hang its waiter
        failed = as_disk_full(error, session.run.layout.root) or InfrastructureFailed(
            f"The job broke: {type(error).__name__}: {error}.", "Call again; report this if it repeats."
        )
        status, result = "failed", _error_json(failed)
    _OUTCOMES[session.run.layout.root, number] = status, json.dumps(result)
    with contextlib.suppress(VibeServeError, sqlite3.Error):
        _store_end(session, number, status, json.dumps(result))
    session.run.database.close()


def _store_end(session: Session, number: int, status: str, result: str) -> None:
    """Tell other processes how a job ended; a job that was cut short by its client leaves a trace."""
    with session.run.tx() as tx:
        tx.execute("UPDATE jobs SET status = ?, result = ? WHERE number = ?", (status, result, number))
        if status == "failed" and session.cancelled.is_set():
            body = {"job": f"J{number}", "session": session.actor.session, "reason": "the client of the job left"}
            tx.append(system_actor(), "infrastructure.failed", f"J{number}", body)


def _note(run: Run, number: int, message: str) -> None:
    with contextlib.suppress(VibeServeError), run.database.tx() as connection:
        connection.execute("UPDATE jobs SET message = ? WHERE number = ?", (message, number))


def _row(run: Run, job: str, tool: str) -> dict[str, Any]:
    run.database.migrate("jobs", MIGRATIONS)
    number = job.removeprefix("J")
    rows = run.database.read("SELECT * FROM jobs WHERE number = ? AND tool = ?", (number, tool))
    if not rows:
        raise _no_job(job, tool)
    row = dict(rows[0])
    if (run.layout.root, row["number"]) in _OUTCOMES:
        row["status"], row["result"] = _OUTCOMES[run.layout.root, row["number"]]
    if row["status"] == "running" and not is_alive(row["owner"]):
        _mark_lost(run, row["number"], tool)
        row = dict(run.database.read("SELECT * FROM jobs WHERE number = ?", (number,))[0])
    return row


def _no_job(job: str, tool: str) -> NotFound:
    return NotFound(f"There is no job {job[:20]} of {tool} for you.", f"Call {tool} without `job` to start one.")


def _mark_lost(run: Run, number: int, tool: str) -> bool:
    """Record the death of a job's owner, once."""
    with run.tx() as tx:
        marked = tx.execute("UPDATE jobs SET status = 'lost' WHERE number = ? AND status = 'running'", (number,))
        if marked.rowcount:
            body = {"job": f"J{number}", "tool": tool, "reason": "the process that owned the job died"}
            tx.append(system_actor(), "infrastructure.failed", f"J{number}", body)
    return bool(marked.rowcount)


def _ended(row: dict[str, Any]) -> dict[str, Any]:
    if row["status"] == "lost":
        raise InfrastructureFailed(
            f"Job J{row['number']} ended with the process that owned it; nothing of it counts.",
            f"Call {row['tool']} again without `job`.",
        )
    result: dict[str, Any] = json.loads(row["result"])
    if row["status"] == "failed":
        raise _error_from(result)
    return result


def _error_json(error: VibeServeError) -> dict[str, Any]:
    return {
        "error": error.kind,
        "message": error.message,
        "next_step": error.next_step,
        "evidence": getattr(error, "evidence", ""),
    }


def _error_from(stored: dict[str, Any]) -> VibeServeError:
    made: VibeServeError = getattr(errors, stored["error"])(stored["message"], stored["next_step"])
    if stored["evidence"]:
        made.evidence = stored["evidence"]  # type: ignore[attr-defined]
    return made
