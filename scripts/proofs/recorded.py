"""The demo, whole: the recorded run of llama-chat and its report; an audit that notices every altered byte."""

import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from proofs.report import Report
from vibeserve.core.audit import audit
from vibeserve.core.run import open_run

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "targets" / "llama-chat"
TRAJECTORY = "trajectory.svg"
CAUGHT = {"R2": ["numeric", None], "R3": ["repeat"]}
"""Round → the stage that each of its attempts must fail at. Every other attempt passes."""
LEAST_OF_REFERENCE = 6.0
LEAST_OF_STRONG = 1.25
MOST_OF_TTFT = 1 / 5
TIMEOUT_S = 1800


def prove(report: Report) -> None:
    """The bug and the cache caught, all else passed, the best fast enough where it was measured again, audit clean."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "run"
        begun = time.monotonic()
        _vibeserve("run", str(TARGET), "--preset", "tiny", "--run", str(root))
        facts = _vibeserve("report", str(root))
        _tell(report, facts, (time.monotonic() - begun) / 60)
        shutil.copyfile(root / "report" / TRAJECTORY, ROOT / "docs" / "results" / TRAJECTORY)
        altered = _alterations_noticed(root, Path(folder))
        report.line(
            f"Audit clean; then {altered} alterations of one byte in any field of any record, and the removal of "
            "the last record: each noticed and named."
        )
    for item in facts["rounds"]:
        stages = [attempt["failed_stage"] for attempt in item["attempts"]]
        assert stages == CAUGHT.get(item["round"], [None]), f"{item['round']}: {stages}"
    best = facts["best"]
    assert best["vs_reference"]["ratio"] >= LEAST_OF_REFERENCE, best["vs_reference"]
    assert best["vs_strong_baseline"]["ratio"] >= LEAST_OF_STRONG, best["vs_strong_baseline"]
    assert _ttft(best)["ratio"] <= MOST_OF_TTFT, _ttft(best)
    assert facts["audit"]["ok"]


def _vibeserve(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-c", "from vibeserve.cli.app import main; main()", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _ttft(best: dict[str, Any]) -> dict[str, Any]:
    """The first secondary figure against the reference: median time to first token at 32 requests/s."""
    found: dict[str, Any] = next(one for one in best["also"] if one["against"] == "reference")
    return found


def _tell(report: Report, facts: dict[str, Any], minutes: float) -> None:
    report.line(f"Played and reported in {minutes:.1f} minutes after installation (asked: at most 12).")
    rows = [
        (item["round"], item["title"], ", ".join(map(_outcome, item["attempts"])), *_versus_parent(item))
        for item in facts["rounds"]
    ]
    head = ("round", "issue", "attempts", "tokens/s at the highest rate", "against its parent", "decision")
    report.table(head, rows)
    best = facts["best"]
    report.line(
        f"Best: {best['candidate']} of {best['round']}, measured again after its promotion, on fresh seeds:",
        "",
        f"- {_figures(best['vs_reference'])} the one-by-one reference (asked: at least {LEAST_OF_REFERENCE:g}×)",
        f"- {_figures(best['vs_strong_baseline'])} the strong baseline (asked: at least {LEAST_OF_STRONG:g}×)",
        f"- {_ttft(best)['name']}: {_figures(_ttft(best))} the reference's (asked: at most {MOST_OF_TTFT:g}×)",
        "",
        f"![Speed-up over the reference, round by round]({TRAJECTORY})",
        "",
    )


def _outcome(attempt: dict[str, Any]) -> str:
    failed = attempt["failed_stage"]
    return f"{attempt['candidate']} failed: {failed}" if failed else f"{attempt['candidate']} {attempt['gate']}"


def _versus_parent(item: dict[str, Any]) -> tuple[str, str, str]:
    versus = item["vs_parent"]
    if versus is None:
        return "not measured", "", item["decision"]
    change = f"{versus['against_value']:.4g} → {versus['value']:.4g}"
    return change, f"{_ratio(versus)} {versus['verdict']}", item["decision"]


def _figures(versus: dict[str, Any]) -> str:
    return f"{versus['against_value']:.4g} → {versus['value']:.4g} {versus['unit']}, {_ratio(versus)}"


def _ratio(versus: dict[str, Any]) -> str:
    low, high = versus["ci95"]
    return f"{versus['ratio']:.3g}× [{low:.3g}, {high:.3g}]"


def _alterations_noticed(root: Path, folder: Path) -> int:
    """Alter one byte of each field of each record in a copy, one at a time; remove the last record of another."""
    copy = folder / "copy"
    shutil.copytree(root, copy)
    connection = sqlite3.connect(copy / "run.db", isolation_level=None)
    connection.execute("DROP TRIGGER ledger_never_updated")
    connection.execute("DROP TRIGGER ledger_never_deleted")
    count = 0
    for (seq,) in connection.execute("SELECT seq FROM ledger").fetchall():
        for field in ("at", "actor", "kind", "subject", "body", "prev", "hash", "signature"):
            (value,) = connection.execute(f"SELECT {field} FROM ledger WHERE seq = ?", (seq,)).fetchone()  # noqa: S608
            altered = value[:-1] + ("x" if value[-1] != "x" else "y")
            connection.execute(f"UPDATE ledger SET {field} = ? WHERE seq = ?", (altered, seq))  # noqa: S608
            outcome = audit(open_run(copy))
            assert outcome.broken_seq == seq, f"{field} of record {seq}: {outcome}"
            connection.execute(f"UPDATE ledger SET {field} = ? WHERE seq = ?", (value, seq))  # noqa: S608
            count += 1
    assert audit(open_run(copy)).ok
    connection.execute("DELETE FROM ledger WHERE seq = (SELECT max(seq) FROM ledger)")
    assert "removed" in audit(open_run(copy)).problem
    connection.close()
    return count
