"""Waiting for what another process does with a run."""

import time
from collections.abc import Callable
from pathlib import Path

from vibeserve.core.errors import VibeServeError
from vibeserve.core.run import Run, open_run

LIMIT_S = 170
POLL_S = 0.03


def await_run(root: Path, holds: Callable[[Run], object]) -> None:
    """Wait until something holds of the run at `root`, which need not be there yet."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if (root / "run.db").exists():
            run = open_run(root)
            try:
                if holds(run):
                    return
            finally:
                run.database.close()
        time.sleep(POLL_S)
    raise AssertionError("what was waited for never came")


def await_job(root: Path, tool: str) -> None:
    """Wait until a job of the tool is at work."""
    await_run(root, lambda run: _works(run, tool))


def await_turn(root: Path, turn: str) -> None:
    """Wait until a turn has begun."""
    await_run(root, lambda run: run.ledger.last("turn.started", turn))


def _works(run: Run, tool: str) -> bool:
    try:
        return bool(run.database.read("SELECT 1 FROM jobs WHERE tool = ? AND status = 'running'", (tool,)))
    except VibeServeError:
        return False  # there has been no job at all yet
