"""kill -9 of the driver or of a role's server at random moments, each time resumed, beside an undisturbed run."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from proofs.report import Report
from proofs.toy import recorded_toy_target
from vibeserve.core.audit import audit
from vibeserve.core.run import Run, open_run

KILLS = 20
RUN_TIMEOUT_S = 600
PASSING = ("infrastructure.failed", "gate.inconclusive")
"""Records that a killed job may leave behind; everything else must be as in the undisturbed run."""


def prove(report: Report) -> None:
    """Kill until KILLS kills have struck, over as many runs as that takes; compare each finished run."""
    chance = random.Random(20261120)  # noqa: S311 - moments, not secrets
    with tempfile.TemporaryDirectory() as folder:
        target = recorded_toy_target(Path(folder))
        begun = time.monotonic()
        _await(_start(target, Path(folder) / "undisturbed"))
        undisturbed_s = time.monotonic() - begun
        expected = semantics(open_run(Path(folder) / "undisturbed"))
        struck: list[tuple[str, str]] = []
        finished = 0
        while len(struck) < KILLS:
            root = Path(folder) / f"run-{finished}"
            struck += _play_with_kills(target, root, undisturbed_s, chance, KILLS - len(struck))
            run = open_run(root)
            assert semantics(run) == expected, difference(semantics(run), expected)
            outcome = audit(run)
            assert outcome.ok, outcome.problem
            assert not list(run.layout.scratch.iterdir()), "scratch was left behind"
            finished += 1
        assert not _leftovers(Path(folder)), _leftovers(Path(folder))
    report.line(
        f"{len(struck)} kills over {finished} runs of the toy target ({len(expected)} ledger records each, "
        f"{undisturbed_s:.0f} s undisturbed). After each kill `vibeserve run --resume`; at the end every run had "
        "the same records about the same subjects as the undisturbed one, a clean audit, and no process or "
        "scratch folder was left."
    )
    report.table(("kill", "what", "newest record at that moment"), [(i + 1, *kill) for i, kill in enumerate(struck)])


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


def _play_with_kills(
    target: Path, root: Path, typical_s: float, chance: random.Random, most: int
) -> list[tuple[str, str]]:
    """Play one run to its end, killing up to three times on the way."""
    struck: list[tuple[str, str]] = []
    driver = _start(target, root)
    for _ in range(min(most, 3)):
        time.sleep(chance.uniform(0.05, 0.6) * typical_s)  # the moment is what is random here
        what = chance.choice(["driver", "server"])
        if driver.poll() is not None or not (root / "run.db").exists():
            break
        if _kill(driver, what):
            newest = open_run(root).ledger.records(newest_first=True, limit=1)
            struck.append((what, f"{newest[0].seq} {newest[0].kind}" if newest else "none"))
        if what == "driver":
            driver.wait(60)
            driver = _resume(root) if open_run(root).ledger.last("run.created") else _start(target, root)
    while driver.wait(RUN_TIMEOUT_S) != 0 and struck:
        driver = _resume(root)
    return struck


def _kill(driver: subprocess.Popen[bytes], what: str) -> bool:
    if what == "driver":
        driver.kill()
        return True
    for child in psutil.Process(driver.pid).children():
        if "vibeserve.gateway" in child.cmdline():
            os.kill(child.pid, signal.SIGKILL)
            return True
    return False


def _start(target: Path, root: Path) -> subprocess.Popen[bytes]:
    return _vibeserve("run", str(target), "--run", str(root), "--json")


def _resume(root: Path) -> subprocess.Popen[bytes]:
    return _vibeserve("run", "--resume", str(root), "--json")


def _vibeserve(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from vibeserve.cli.app import main; main()", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _await(driver: subprocess.Popen[bytes]) -> None:
    assert driver.wait(RUN_TIMEOUT_S) == 0, "the undisturbed run failed"


def _leftovers(folder: Path) -> list[str]:
    """Processes that still have to do with the runs."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = json.dumps(process.info["cmdline"] or [])
        if str(folder) in line and process.pid != os.getpid():
            found.append(line)
    return found
