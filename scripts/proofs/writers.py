"""Writers side by side: eight processes file fifty issues each over real MCP sessions; writers are killed mid-write."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from proofs.report import Report
from proofs.toy import toy_run
from vibeserve.core.audit import audit
from vibeserve.core.run import Run

WRITERS, ISSUES_EACH = 8, 50
KILL_ROUNDS, WRITERS_KILLED = 30, 3
ENDLESS = """
import sys
from pathlib import Path
from vibeserve.core.roles import Actor, Role
from vibeserve.core.run import open_run
from vibeserve.core.session import Session
from vibeserve.gateway.build import toolbox
session = Session(open_run(Path(sys.argv[1])), Actor(Role.HUMAN, sys.argv[2], client="proof"))
file_issue = next(tool for tool in toolbox("issues").tools if tool.name == "file_issue")
print("ready", flush=True)
number = 0
while True:
    number += 1
    file_issue.call(session, {"kind": "bug", "title": f"{sys.argv[2]} finds {number}", "body": "x" * 2000})
"""


def prove(report: Report) -> None:
    """None lost, none doubled, audit clean; the same after every round of kills."""
    with tempfile.TemporaryDirectory() as folder:
        run = toy_run(Path(folder))
        begun = time.monotonic()
        ids = asyncio.run(_file_all(run.layout.root))
        seconds = time.monotonic() - begun
        recorded = [record.subject for record in run.ledger.records("issue.filed")]
        assert len(set(ids)) == WRITERS * ISSUES_EACH, f"{len(set(ids))} distinct ids answered"
        assert Counter(recorded) == Counter(ids), "the ledger holds other issues than were answered"
        assert audit(run).ok, audit(run).problem
        report.line(
            f"{WRITERS} processes filed {ISSUES_EACH} issues each, every one over its own MCP session (stdio): "
            f"{len(ids)} answered, {len(recorded)} on record, 0 lost, 0 doubled; {seconds:.1f} s with the start of the "
            "processes."
        )
        written = _kill_rounds(run)
        report.line(
            "",
            f"{KILL_ROUNDS} rounds of {WRITERS_KILLED} endless writers, all killed with SIGKILL at a random moment: "
            f"{written} records written, the audit clean after every round.",
        )


async def _file_all(root: Path) -> list[str]:
    filed = await asyncio.gather(*(_file_some(root, writer) for writer in range(WRITERS)))
    return [issue for issues in filed for issue in issues]


async def _file_some(root: Path, writer: int) -> list[str]:
    command = ["-I", "-m", "vibeserve.gateway", "--run", str(root), "--role", "orchestrator"]
    async with Client(StdioTransport(sys.executable, command, keep_alive=False)) as client:
        issues = []
        for number in range(ISSUES_EACH):
            arguments = {"kind": "perf", "title": f"Writer {writer} proposes {number}", "body": "Measure it."}
            result = await client.call_tool("file_issue", arguments)
            issues.append(str((result.structured_content or {})["issue"]))
    return issues


def _kill_rounds(run: Run) -> int:
    chance = random.Random(20261120)  # noqa: S311 - moments, not secrets
    before = run.ledger.count("issue.filed")
    for number in range(KILL_ROUNDS):
        writers = [_endless(run.layout.root, f"round {number} writer {writer}") for writer in range(WRITERS_KILLED)]
        time.sleep(chance.uniform(0.01, 0.3))  # the moment is what is random here
        for writer in writers:
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait(10)
            if writer.stdout:
                writer.stdout.close()
        outcome = audit(run)
        assert outcome.ok, f"round {number}: {outcome.problem}"
    return run.ledger.count("issue.filed") - before


def _endless(root: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-I", "-c", ENDLESS, str(root), name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()  # it has begun to write
    return process
