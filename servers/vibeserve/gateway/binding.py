"""A declared tool as an MCP tool: arguments checked by us, errors in our words, progress each second."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from fastmcp.server.dependencies import get_context
from fastmcp.tools import Tool as McpTool
from fastmcp.tools import ToolResult
from mcp.types import ToolAnnotations
from pydantic import PrivateAttr

from vibeserve.core.disk import as_disk_full
from vibeserve.core.errors import InfrastructureFailed, VibeServeError
from vibeserve.core.session import Session
from vibeserve.core.texts import fenced
from vibeserve.core.tools import Tool

EVIDENCE_CHARACTERS = 1500

Caller = Callable[[Tool, Session, dict[str, Any], Callable[[float, str], None]], dict[str, Any]]


def call_directly(
    tool: Tool, session: Session, arguments: dict[str, Any], on_wait: Callable[[float, str], None]
) -> dict[str, Any]:
    """Call a tool as it is; recording puts itself in this place."""
    return tool.call(session, arguments, on_wait)


class BoundTool(McpTool):
    """One tool bound to a session."""

    _tool: Tool = PrivateAttr()
    _session: Session = PrivateAttr()
    _caller: Caller = PrivateAttr()

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        """Call the tool; reads at once, all others in a thread, so that progress can be told meanwhile."""
        try:
            if not self._tool.read_only or self._caller is not call_directly:
                content = await self._in_thread(arguments)
            else:
                content = self._caller(self._tool, self._session, arguments, lambda _s, _m: None)
        except VibeServeError as error:
            return failure(error)
        except Exception as error:
            full = as_disk_full(error, self._session.run.layout.root)
            return failure(full or _defect(self._tool, error))
        return ToolResult(content=json.dumps(content, ensure_ascii=False), structured_content=content)

    async def _in_thread(self, arguments: dict[str, Any]) -> dict[str, Any]:
        context, loop = get_context(), asyncio.get_running_loop()

        def on_wait(elapsed_s: float, message: str) -> None:
            asyncio.run_coroutine_threadsafe(context.report_progress(elapsed_s, None, message), loop)

        return await asyncio.to_thread(self._caller, self._tool, self._session, arguments, on_wait)


def bind(tool: Tool, session: Session, caller: Caller = call_directly) -> BoundTool:
    """The MCP tool of a declaration. Output schemas are not published: they cost half as much again."""
    bound = BoundTool(
        name=tool.name,
        description=tool.description,
        parameters=tool.schema,
        annotations=ToolAnnotations(read_only_hint=tool.read_only, destructive_hint=False),
        tags={tool.server},
    )
    bound._tool, bound._session, bound._caller = tool, session, caller
    return bound


def failure(error: VibeServeError) -> ToolResult:
    """An error as one clear sentence with the next safe step, the same as text and as structured content."""
    content = {"error": error.kind, "message": error.message, "next_step": error.next_step}
    evidence = getattr(error, "evidence", "")
    if evidence:
        content["evidence"] = fenced(evidence[-EVIDENCE_CHARACTERS:])
    text = "\n".join(part for part in (f"{error.kind}: {error}", content.get("evidence", "")) if part)
    return ToolResult(content=text, structured_content=content, is_error=True)


def _defect(tool: Tool, error: Exception) -> VibeServeError:
    return InfrastructureFailed(
        f"{tool.name} broke: {type(error).__name__}: {str(error)[:200]}.",
        "Read what is on record before you repeat the call; report this if it happens again.",
    )
