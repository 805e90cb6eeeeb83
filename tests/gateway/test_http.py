"""HTTP on loopback: foreign pages and strangers are turned away."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from vibeserve.core.roles import Role
from vibeserve.core.run import Run
from vibeserve.gateway.http import role_token

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}},
}
HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


def serve(run: Run, port: int = 0) -> subprocess.Popen[str]:
    command = "from vibeserve.gateway.standalone import issues; issues()"
    options = ["--run", str(run.layout.root), "--role", "orchestrator", "--http", str(port)]
    return subprocess.Popen([sys.executable, "-I", "-c", command, *options], stderr=subprocess.PIPE, text=True)


@pytest.fixture
def served(run: Run) -> Iterator[tuple[str, str]]:
    """The address of a running server, and the token that opens it."""
    process = serve(run)
    assert process.stderr is not None
    address = process.stderr.readline().strip()
    token_file = Path(process.stderr.readline().strip().removeprefix("bearer token in "))
    yield address, token_file.read_text().strip()
    process.terminate()
    process.wait(10)
    process.stderr.close()


async def status(address: str, headers: dict[str, str]) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(address, json=INITIALIZE, headers=HEADERS | headers) as response,
    ):
        return response.status


async def test_the_token_opens_and_lists_the_role_tools(served: tuple[str, str]) -> None:
    address, token = served
    async with Client(StreamableHttpTransport(address, headers={"Authorization": f"Bearer {token}"})) as client:
        assert "file_issue" in {tool.name for tool in await client.list_tools()}


async def test_without_the_token_nothing_opens(served: tuple[str, str]) -> None:
    address, token = served
    assert await status(address, {}) == 401
    assert await status(address, {"Authorization": f"Bearer {token[:-1]}x"}) == 401


async def test_a_foreign_page_is_turned_away_even_with_the_token(served: tuple[str, str]) -> None:
    address, token = served
    bearer = {"Authorization": f"Bearer {token}"}
    assert await status(address, bearer) == 200
    assert await status(address, bearer | {"Origin": "http://evil.example"}) == 403
    assert await status(address, bearer | {"Host": "evil.example"}) in (403, 421)


def test_only_loopback_listens(served: tuple[str, str]) -> None:
    address, _ = served
    assert address.startswith("http://127.0.0.1:")
    port = int(re.search(r":(\d+)/", address)[1])
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert not any(local == f"00000000:{port:04X}" for local in listening)


def test_a_port_in_use_is_said(served: tuple[str, str], run: Run) -> None:
    address, _ = served
    process = serve(run, int(re.search(r":(\d+)/", address)[1]))
    _, error = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "cannot be used" in error
    assert "--http" in error


def test_token_files_are_private(served: tuple[str, str], run: Run) -> None:
    for path in run.layout.tokens.iterdir():
        assert path.stat().st_mode & 0o077 == 0


def test_a_token_is_whole_or_not_there(run: Run) -> None:
    """A writer that was killed leaves at most a draft, which nobody reads."""
    run.layout.tokens.mkdir(mode=0o700)
    (run.layout.tokens / ".draft-killed").write_text("")
    token, path = role_token(run, Role.JUDGE)
    assert len(token) > 30
    assert role_token(run, Role.JUDGE) == (token, path)
