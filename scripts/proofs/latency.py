"""One role's tools in one process: cold start and warm call over stdio, beside an empty FastMCP server.

Spoken in plain JSON-RPC lines, so that the time is the server's and not a client library's.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from proofs.report import Report
from proofs.toy import toy_run
from vibeserve.core.roles import Actor, Role
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.gateway.build import toolbox

COLD_ROUNDS = 15
WARM_CALLS = 400
MOST_COLD_RATIO = 1.3
MOST_WARM_RATIO = 1.2
ASKED_WARM_MS = 1.5
EMPTY = """
import os
os.environ["FASTMCP_LOG_ENABLED"], os.environ["FASTMCP_CHECK_FOR_UPDATES"] = "false", "off"
from fastmcp import FastMCP
server = FastMCP("empty")
if os.environ.get("ONE_TOOL"):
    @server.tool
    def show_issue(issue: str) -> str:
        return issue
server.run(show_banner=False)
"""
ROLES = [role for role in Role if role is not Role.HUMAN]
Command = tuple[list[str], dict[str, str]]


def prove(report: Report) -> None:
    """Cold: start to tool list, interleaved, medians. Warm: p50 of show_issue, interleaved with a bare tool."""
    with tempfile.TemporaryDirectory() as folder:
        run = toy_run(Path(folder))
        _file_issue(run)
        roles = {role.value: _role_command(run.layout.root, role) for role in ROLES}
        cold = _cold({"empty": (["-I", "-c", EMPTY], {}), **roles})
        warm = _warm({"bare": (["-I", "-c", EMPTY], {"ONE_TOOL": "1"}), **roles})
    ratios = {name: statistics.median(cold[name]) / statistics.median(cold["empty"]) for name in roles}
    report.line(
        f"Cold start: process start to the tool list, {COLD_ROUNDS} interleaved rounds, medians; an empty FastMCP "
        f"server takes {statistics.median(cold['empty']) * 1000:.0f} ms. Warm: p50 of {WARM_CALLS} interleaved calls "
        f"of `show_issue` over stdio; a bare FastMCP tool that returns its argument takes {warm['bare']:.2f} ms. "
        f"Held: cold ≤ {MOST_COLD_RATIO}×, warm ≤ {MOST_WARM_RATIO}× the bare tool (asked on a quiet machine: "
        f"< {ASKED_WARM_MS} ms)."
    )
    report.table(
        ("role", "cold start / empty", "warm p50", "warm / bare"),
        [(name, f"{ratios[name]:.2f}×", f"{warm[name]:.2f} ms", f"{warm[name] / warm['bare']:.2f}×") for name in roles],
    )
    assert max(ratios.values()) <= MOST_COLD_RATIO, ratios
    assert max(warm[name] for name in roles) <= MOST_WARM_RATIO * warm["bare"], warm


class Peer:
    """A server process and the plain JSON-RPC lines to and from it."""

    def __init__(self, command: Command) -> None:
        arguments, env = command
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen([sys.executable, *arguments], env=env, **pipes)
        self._number = 0

    def __enter__(self) -> "Peer":
        client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "proof", "version": "0"}}
        self.request("initialize", client)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The result of one request."""
        self._number += 1
        self._send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        assert self._process.stdout is not None
        while True:
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
            if answer.get("id") == self._number:
                result: dict[str, Any] = answer["result"]
                return result

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()


def _cold(commands: dict[str, Command]) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(COLD_ROUNDS):
        for name, command in commands.items():
            begun = time.perf_counter()
            with Peer(command) as peer:
                peer.request("tools/list", {})
                seconds[name].append(time.perf_counter() - begun)
    return seconds


def _warm(commands: dict[str, Command]) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in commands}
    with ExitStack() as stack:
        peers = {name: stack.enter_context(Peer(command)) for name, command in commands.items()}
        for _ in range(WARM_CALLS + 1):
            for name, peer in peers.items():
                begun = time.perf_counter()
                result = peer.request("tools/call", {"name": "show_issue", "arguments": {"issue": "I1"}})
                taken[name].append((time.perf_counter() - begun) * 1000)
                assert not result.get("isError"), result
    return {name: statistics.median(times[1:]) for name, times in taken.items()}


def _file_issue(run: Run) -> None:
    file_issue = next(tool for tool in toolbox("issues").tools if tool.name == "file_issue")
    session = Session(run, Actor(Role.HUMAN, "latency", client="proof"))
    file_issue.call(session, {"kind": "perf", "title": "Batch requests", "body": "Serve them together."})


def _role_command(root: Path, role: Role) -> Command:
    return ["-I", "-m", "vibeserve.gateway", "--run", str(root), "--role", role.value], {}
