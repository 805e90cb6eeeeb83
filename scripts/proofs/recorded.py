"""The recorded run of llama-chat, whole, as `make demo` plays it; and an audit that notices every altered byte."""

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

TARGET = Path(__file__).parents[2] / "targets" / "llama-chat"
LONGEST_MINUTES = 8
LEAST_RATIO = 4.0
TIMEOUT_S = 1800


def prove(report: Report) -> None:
    """Under eight minutes, the bug and the cache caught, the best at least four times the reference, audit clean."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        summary = _play(Path(folder) / "run")
        minutes = (time.monotonic() - begun) / 60
        _tell(report, summary, minutes)
        altered = _alterations_noticed(Path(folder) / "run", Path(folder))
        report.line(
            f"Audit clean; then {altered} alterations of one byte in any field of any record, and the removal of "
            "the last record: each noticed and named."
        )
    first, second, third = summary["rounds"]
    assert minutes < LONGEST_MINUTES, f"{minutes:.1f} minutes"
    assert [attempt["gate"] for attempt in first["attempts"]] == ["passed"]
    assert [attempt["failed_stage"] for attempt in second["attempts"]] == ["numeric", None], "the bug was not caught"
    assert [attempt["failed_stage"] for attempt in third["attempts"]] == ["repeat"], "the cache was not caught"
    assert summary["best"]["vs_baseline"]["ratio"] >= LEAST_RATIO
    assert summary["audit_ok"]


def _play(root: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", "from vibeserve.cli.app import main; main()", "run", str(TARGET)]
    played = subprocess.run(
        [*command, "--preset", "tiny", "--run", str(root), "--json"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert played.returncode == 0, played.stdout + played.stderr
    summary: dict[str, Any] = json.loads(played.stdout)
    return summary


def _tell(report: Report, summary: dict[str, Any], minutes: float) -> None:
    report.line(f"Played in {minutes:.1f} minutes after installation (asked: under {LONGEST_MINUTES}).")
    rows = []
    for item in summary["rounds"]:
        for attempt in item["attempts"]:
            outcome = f"failed: {attempt['failed_stage']}" if attempt["failed_stage"] else attempt["gate"]
            rows.append(
                (item["round"], attempt["candidate"], outcome, _figures(attempt["vs_parent"]), item["decision"])
            )
    report.table(("round", "candidate", "gate", "against its parent", "decision"), rows)
    best = summary["best"]
    report.line(
        f"Best: {best['candidate']}, {_figures(best['vs_baseline'])} of the one-by-one reference, tokens/s at the "
        f"highest rate (asked: at least {LEAST_RATIO:g}×).",
        "",
    )


def _figures(versus: dict[str, Any] | None) -> str:
    if versus is None:
        return "not measured"
    low, high = versus["ci95"]
    change = f"{versus['against_value']:.4g} → {versus['value']:.4g} {versus['unit']}"
    return f"{change}, {versus['ratio']:.2f}× [{low:.2f}, {high:.2f}] {versus['outcome']}"


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
