"""A fresh MCP session of one role over stdio: what every headless client stands on."""

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from vibeserve.core import errors
from vibeserve.core.errors import InfrastructureFailed, VibeServeError
from vibeserve.core.roles import Actor
from vibeserve.core.run import Run

OnProgress = Callable[[float, str], None]
CALL_TIMEOUT_S = 120.0
WAIT_S = 40.0
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")


class Connection:
    """Calls tools of one role turn; long-running ones are waited on to their end."""

    def __init__(self, client: Client[StdioTransport], on_progress: OnProgress) -> None:
        self._client = client
        self._on_progress = on_progress

    async def call(self, tool: str, arguments: dict[str, Any], long_running: bool = False) -> dict[str, Any]:
        """The structured content of a call. Raises the error that the tool answered with."""
        if not long_running:
            return await self._once(tool, arguments)
        arguments = {**arguments, "wait_s": WAIT_S}
        while True:
            result = await self._once(tool, arguments)
            if result.get("status") != "running" or "job" not in result:
                return result
            arguments["job"] = result["job"]

    async def _once(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            self._on_progress(progress, message or "")

        result = await self._client.call_tool(
            tool, arguments, timeout=CALL_TIMEOUT_S, progress_handler=on_progress, raise_on_error=False
        )
        content: dict[str, Any] = result.structured_content or {}
        if result.is_error:
            raise _error(tool, content)
        return content


@asynccontextmanager
async def connect(run: Run, actor: Actor, log: Path, on_progress: OnProgress) -> AsyncIterator[Connection]:
    """Start the role's server, and stop it when the turn is over."""
    transport = StdioTransport(
        sys.executable,
        ["-I", "-m", "vibeserve.gateway", "--run", str(run.layout.root), "--role", actor.role.value],
        env={name: os.environ[name] for name in PASSED_ON if name in os.environ}
        | {"VIBESERVE_SESSION": actor.session, "VIBESERVE_CLIENT": actor.client},
        keep_alive=False,
        log_file=log,
    )
    async with Client(transport) as client:
        yield Connection(client, on_progress)


def _error(tool: str, content: dict[str, Any]) -> VibeServeError:
    kind = getattr(errors, str(content.get("error")), InfrastructureFailed)
    message = str(content.get("message", f"{tool} answered with an error it does not name."))
    error: VibeServeError = kind(message, str(content.get("next_step", "")))
    if content.get("evidence"):
        error.evidence = content["evidence"]  # type: ignore[attr-defined]
    return error
