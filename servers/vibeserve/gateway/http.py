"""HTTP on loopback: Host and Origin checked, one bearer token per role kept in a file of mode 0600."""

import contextlib
import os
import secrets
import socket
import tempfile
from pathlib import Path

from fastmcp import FastMCP
from fastmcp.server.auth import AuthProvider
from fastmcp.server.auth.providers.jwt import StaticTokenVerifier

from vibeserve.core.errors import BadRequest, InfrastructureFailed
from vibeserve.core.roles import Role
from vibeserve.core.run import Run

LOOPBACK = "127.0.0.1"
MAX_PORT = 65535


def role_token(run: Run, role: Role) -> tuple[str, Path]:
    """The role's bearer token and the file it lies in; made on first use."""
    path = run.layout.tokens / role.value
    path.parent.mkdir(mode=0o700, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")  # mode 0600
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_urlsafe(32))
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)  # whole or not at all, and only the first one counts
    Path(draft).unlink()
    return path.read_text().strip(), path


def token_auth(token: str, role: Role) -> AuthProvider:
    """Accept exactly this token."""
    return StaticTokenVerifier({token: {"client_id": role.value, "scopes": [role.value]}}, [role.value])


def bind_port(port: int) -> socket.socket:
    """A loopback socket that listens before anything is announced: who is told the address can connect."""
    if not 0 <= port <= MAX_PORT:
        raise BadRequest(f"{port} is no port.", f"Give one from 0 (any free port) to {MAX_PORT}.")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise InfrastructureFailed(
            f"Port {port} on {LOOPBACK} cannot be used: {error.strerror}.", "Choose another with --http PORT."
        ) from error
    return listener


async def serve(server: FastMCP, listener: socket.socket) -> None:
    """Serve over streamable HTTP at /mcp until cancelled."""
    await server.run_http_async(
        show_banner=False,
        transport="http",
        host=LOOPBACK,
        port=listener.getsockname()[1],
        host_origin_protection=True,
        sockets=[listener],
        log_level="error",
    )
