"""One role's tools in one process: cold start beside an empty FastMCP server, and the warm call over stdio."""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from proofs.report import Report
from proofs.toy import toy_run
from vibeserve.core.roles import Actor, Role
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.gateway.build import toolbox

COLD_ROUNDS = 15
WARM_CALLS = 300
MOST_COLD_RATIO = 1.3
MOST_WARM_MS = 1.5
EMPTY = (
    "import os; os.environ['FASTMCP_LOG_ENABLED'] = 'false'\n"
    "os.environ['FASTMCP_CHECK_FOR_UPDATES'] = 'off'\n"
    "from fastmcp import FastMCP\n"
    "FastMCP('empty').run(show_banner=False)"
)
ROLES = [role for role in Role if role is not Role.HUMAN]


def prove(report: Report) -> None:
    """Cold: interleaved, medians. Warm: p50 of show_issue, after the first call."""
    with tempfile.TemporaryDirectory() as folder:
        run = toy_run(Path(folder))
        _file_issue(run)
        commands = {role.value: _role_command(run.layout.root, role) for role in ROLES}
        cold = asyncio.run(_cold({"empty FastMCP": ["-I", "-c", EMPTY], **commands}))
        warm = {name: asyncio.run(_warm(command)) for name, command in commands.items()}
    empty_s = statistics.median(cold.pop("empty FastMCP"))
    ratios = {name: statistics.median(seconds) / empty_s for name, seconds in cold.items()}
    report.line(
        f"Cold start: process start to the tool list, {COLD_ROUNDS} interleaved rounds, medians; an empty FastMCP "
        f"server takes {empty_s * 1000:.0f} ms. Warm: p50 of {WARM_CALLS} calls of `show_issue` over stdio."
    )
    rows = [(name, f"{ratios[name]:.2f}×", f"{warm[name]:.2f} ms") for name in commands]
    report.table(
        (
            "role",
            f"cold start / empty (asked: ≤ {MOST_COLD_RATIO}×)",
            f"warm p50 (asked: < {MOST_WARM_MS} ms)",
        ),
        rows,
    )
    assert max(ratios.values()) <= MOST_COLD_RATIO, ratios
    assert max(warm.values()) < MOST_WARM_MS, warm


def _file_issue(run: Run) -> None:
    file_issue = next(tool for tool in toolbox("issues").tools if tool.name == "file_issue")
    session = Session(run, Actor(Role.HUMAN, "latency", client="proof"))
    file_issue.call(session, {"kind": "perf", "title": "Batch requests", "body": "Serve them together."})


def _role_command(root: Path, role: Role) -> list[str]:
    return ["-I", "-m", "vibeserve.gateway", "--run", str(root), "--role", role.value]


async def _cold(commands: dict[str, list[str]]) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(COLD_ROUNDS):
        for name, command in commands.items():
            begun = time.perf_counter()
            async with _client(command) as client:
                await client.list_tools()
                seconds[name].append(time.perf_counter() - begun)
    return seconds


async def _warm(command: list[str]) -> float:
    async with _client(command) as client:
        await client.call_tool("show_issue", {"issue": "I1"})
        taken = []
        for _ in range(WARM_CALLS):
            begun = time.perf_counter()
            await client.call_tool("show_issue", {"issue": "I1"})
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1000


def _client(command: list[str]) -> Client[StdioTransport]:
    return Client(StdioTransport(sys.executable, command, keep_alive=False))
