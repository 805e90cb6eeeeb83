"""Builds the MCP server of one role from the tools of some or all of the six servers."""

import asyncio
import atexit
import importlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastmcp import FastMCP
from fastmcp.server.auth import AuthProvider

from vibeserve import __version__
from vibeserve.core.session import Session
from vibeserve.core.tools import Tool, Toolbox
from vibeserve.gateway.binding import Caller, bind, call_directly

Lifespan = Callable[[FastMCP], AbstractAsyncContextManager[None]]

SERVERS = ("issues", "memory", "checkpoints", "sandbox", "accuracy", "profiler")


def toolbox(server: str) -> Toolbox:
    """The toolbox of one server, imported on demand."""
    box: Toolbox = importlib.import_module(f"vibeserve.{server}.server").box
    return box


def all_tools(servers: Iterable[str] = SERVERS) -> list[Tool]:
    """Every declared tool of the named servers."""
    return [tool for server in servers for tool in toolbox(server).tools]


def build(
    session: Session,
    servers: Iterable[str] = SERVERS,
    caller: Caller = call_directly,
    auth: AuthProvider | None = None,
) -> FastMCP:
    """An MCP server with the tools that the session's role may call; others do not exist in it."""
    boxes = [toolbox(server) for server in servers]
    boxes = [box for box in boxes if box.for_role(session.role)]
    essentials = " ".join(box.instructions for box in boxes)
    instructions = f"You are the {session.role} of this run. {essentials}"
    server = FastMCP("vibeserve", instructions, version=__version__, auth=auth, lifespan=_closing(session))
    for box in boxes:
        for tool in box.for_role(session.role):
            server.add_tool(bind(tool, session, caller))
    atexit.register(session.close)  # for ends that no lifespan sees, such as SIGTERM
    return server


def _closing(session: Session) -> Lifespan:
    """Stop what belongs to the session as soon as its client has left."""

    @asynccontextmanager
    async def lifespan(_server: FastMCP) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.to_thread(session.close)

    return lifespan
