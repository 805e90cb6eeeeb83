"""A workspace, a model and a network for servers under test."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.lab.isolation import Job, Limits, Network, run
from vibeserve.lab.serving import LaunchSpec, Service, launch

SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
        self.wfile.write(b"hello")
    def log_message(self, *arguments): pass
def serve(port, host="127.0.0.1"):
    http.server.ThreadingHTTPServer((host, port), Handler).serve_forever()
"""


@pytest.fixture(scope="session", autouse=True)
def _needs_a_sandbox() -> None:
    """Without one the tests are skipped, unless REQUIRE_BWRAP=1 says that there must be one."""
    try:
        run(Job(("true",)))
    except InfrastructureFailed as failure:
        if os.environ.get("REQUIRE_BWRAP") == "1":
            raise
        pytest.skip(str(failure))


@pytest.fixture
def network() -> Iterator[Network]:
    with Network() as network:
        yield network


@pytest.fixture
def launched(tmp_path: Path, network: Network) -> Iterator[Callable[..., Service]]:
    """Launch serve.py with this text; everything is stopped at the end."""
    services: list[Service] = []
    (tmp_path / "root").mkdir()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("weights")

    def begin(code: str, *, boot_timeout_s: float = 20, limits: Limits | None = None, **options: Any) -> Service:
        (tmp_path / "root" / "served.py").write_text(SERVER)
        (tmp_path / "root" / "serve.py").write_text(code)
        command = ("{python}", "serve.py", "--port", "{port}", "--model", "{model}", "--dtype", "{dtype}")
        spec = LaunchSpec(command, boot_timeout_s=boot_timeout_s, limits=limits or Limits(wall_s=120))
        paths = {"root": tmp_path / "root", "model": tmp_path / "model", "log_path": tmp_path / "log"}
        services.append(launch(spec, dtype="float32", **{"network": network, **paths, **options}))
        return services[-1]

    yield begin
    for service in services:
        service.process.stop(grace_s=0)
