"""kill -9 of driver, server or candidate at random moments, each time resumed, beside an undisturbed run."""

import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import psutil

from proofs.report import Report
from proofs.toy import CANDIDATE, recorded_toy_target, servers_of
from vibeserve.core.audit import audit
from vibeserve.core.errors import VibeServeError
from vibeserve.core.run import Run, open_run

KILLS = 20
RUN_TIMEOUT_S = 600
POLL_S = 0.02
INTO_S = 4.0
LENGTHENED = 1.3  # what was killed is done again, and the end of the run is to be hit too
RESUMES = 6
TOOLS = ("run_gate", "measure")
PASSING = ("infrastructure.failed", "gate.inconclusive")
"""Records that a killed job may leave behind; everything else must be as in the undisturbed run."""


@dataclass
class Kill:
    """One kill to come: not before `at_s` of the run; that of a candidate `into_s` into its next time in `tool`."""

    what: str
    at_s: float
    tool: str = ""
    into_s: float = 0.0
    seen_at: float | None = None


def prove(report: Report) -> None:
    """Kill until KILLS kills have struck, over as many runs as that takes; compare each finished run."""
    chance = random.Random(20261120)  # noqa: S311 - moments, not secrets
    tools = cycle(TOOLS)
    with tempfile.TemporaryDirectory() as folder:
        target = recorded_toy_target(Path(folder))
        begun = time.monotonic()
        assert _start(target, Path(folder) / "undisturbed").wait(RUN_TIMEOUT_S) == 0, "the undisturbed run failed"
        undisturbed_s = time.monotonic() - begun
        expected = semantics(open_run(Path(folder) / "undisturbed"))
        struck: list[tuple[str, ...]] = []
        finished = 0
        while len(struck) < KILLS:
            root = Path(folder) / f"run-{finished}"
            struck += _play_with_kills(target, root, draw(chance, undisturbed_s, next(tools))[: KILLS - len(struck)])
            _require_same(open_run(root), expected)
            finished += 1
        assert not _leftovers(Path(folder)), _leftovers(Path(folder))
    _tell(report, struck, finished, len(expected), undisturbed_s)


def draw(chance: random.Random, length_s: float, tool: str) -> list[Kill]:
    """One kill of each kind, in random order, at moments drawn uniformly over the length of a run with kills."""
    length_s *= LENGTHENED
    kills = [Kill(what, chance.uniform(0, length_s)) for what in ("driver", "server")]
    # A measurement comes once in a run: its kill waits for it. Gates come three times.
    at_s = chance.uniform(0, 0.7 * length_s) if tool == "run_gate" else 0.0
    kills.append(Kill("candidate", at_s, tool, chance.uniform(0, INTO_S)))
    chance.shuffle(kills)
    return kills


def semantics(run: Run) -> list[tuple[str, str, str]]:
    """What a ledger says, without times, figures and the traces of killed jobs."""
    return [
        (record.kind, record.actor.session, "" if record.kind == "run.created" else record.subject)
        for record in run.ledger.records()
        if record.kind not in PASSING
    ]


def difference(got: list[tuple[str, str, str]], expected: list[tuple[str, str, str]]) -> str:
    """Where two ledgers part."""
    for index, pair in enumerate(zip(got, expected, strict=False)):
        if pair[0] != pair[1]:
            return f"record {index}: {pair[0]} instead of {pair[1]}"
    return f"{len(got)} records instead of {len(expected)}"


def _require_same(run: Run, expected: list[tuple[str, str, str]]) -> None:
    """The finished run says what the undisturbed one says, under a clean audit, and nothing lies about."""
    assert semantics(run) == expected, difference(semantics(run), expected)
    outcome = audit(run)
    assert outcome.ok, outcome.problem
    assert not list(run.layout.scratch.iterdir()), "scratch was left behind"


def _play_with_kills(target: Path, root: Path, kills: list[Kill]) -> list[tuple[str, ...]]:
    """Play one run to its end; each kill strikes once, when its moment has come and its victim is there."""
    struck: list[tuple[str, ...]] = []
    driver, begun, resumes = _start(target, root), time.monotonic(), 0
    while driver.poll() != 0:
        if driver.poll() is not None:
            resumes += 1
            assert resumes <= RESUMES, "it cannot be resumed to its end"
            driver = _resume(root) if (root / "run.db").exists() else _start(target, root)
        now = time.monotonic() - begun
        assert now < RUN_TIMEOUT_S, "the run does not end"
        for kill in kills:
            victim = _victim(kill, driver, root, now)
            if victim is not None:
                struck.append((kill.what, f"{now:.0f} s", _state(root)))
                victim.kill()
                kills.remove(kill)
                break
        time.sleep(POLL_S)
    return struck


def _victim(kill: Kill, driver: subprocess.Popen[bytes], root: Path, now: float) -> psutil.Process | None:
    """The process to kill now, None as long as the moment has not come."""
    if now < kill.at_s:
        return None
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(driver.pid)
        if kill.what == "driver":
            return process
        if kill.what == "server":
            return next((child for child in process.children() if "vibeserve.gateway" in child.cmdline()), None)
        candidates = servers_of(process, CANDIDATE) if _job(root)[0] == kill.tool else []
        if not candidates:
            kill.seen_at = None
            return None
        kill.seen_at = kill.seen_at or now
        return candidates[0] if now - kill.seen_at >= kill.into_s else None
    return None


def _job(root: Path) -> tuple[str, str]:
    """Tool and progress of the job that runs now."""
    with contextlib.suppress(VibeServeError):
        rows = open_run(root).database.read("SELECT tool, message FROM jobs WHERE status = 'running' ORDER BY number")
        if rows:
            return rows[-1]["tool"], rows[-1]["message"]
    return "", ""


def _state(root: Path) -> str:
    """Where a run is: its newest record, and what its job does."""
    if not (root / "run.db").exists():
        return "before the run was made"
    newest = open_run(root).ledger.records(newest_first=True, limit=1)
    tool, message = _job(root)
    doing = f", {tool}: {message}" if tool else ""
    return f"{newest[0].seq} {newest[0].kind} {newest[0].subject[:12]}{doing}"


def _tell(report: Report, struck: list[tuple[str, ...]], finished: int, records: int, undisturbed_s: float) -> None:
    """Write the report; a proof in which a candidate was never killed in a gate or a measurement is none."""
    hits = Counter(what for what, _, _ in struck)
    inside = {tool: sum(what == "candidate" and tool in state for what, _, state in struck) for tool in TOOLS}
    assert all(inside.values()), inside
    report.line(
        f"{len(struck)} kills over {finished} runs of the toy target ({records} ledger records each, "
        f"{undisturbed_s:.0f} s undisturbed): {', '.join(f'{count} × {what}' for what, count in hits.items())}, "
        f"the candidate {' and '.join(f'{count} times in {tool}' for tool, count in inside.items())}. The moments of "
        "drivers and servers are uniform over the run's length. What was killed and did not go on by itself was "
        "resumed with `vibeserve run --resume`. At the end every run had the same records about the same subjects "
        "as the undisturbed one, a clean audit, and no process or scratch folder was left."
    )
    report.table(
        ("kill", "what", "at", "newest record, and the job"), [(i + 1, *kill) for i, kill in enumerate(struck)]
    )


def _start(target: Path, root: Path) -> subprocess.Popen[bytes]:
    return _vibeserve("run", str(target), "--run", str(root), "--json")


def _resume(root: Path) -> subprocess.Popen[bytes]:
    return _vibeserve("run", "--resume", str(root), "--json")


def _vibeserve(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from vibeserve.cli.app import main; main()", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _leftovers(folder: Path) -> list[str]:
    """Processes that still have to do with the runs."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = json.dumps(process.info["cmdline"] or [])
        if str(folder) in line and process.pid != os.getpid():
            found.append(line)
    return found
