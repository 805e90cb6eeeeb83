"""A private loopback, shared by those who were let in."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.lab.isolation import Job, Limits, Mount, Network, Outcome, Process, python_runtime, run, start

PYTHON = (sys.executable, "-I", "-c")


@pytest.fixture
def network() -> Iterator[Network]:
    with Network() as network:
        yield network


def _serve(network: Network, folder: Path, code: str = "") -> Process:
    folder.mkdir()
    (folder / "page").write_text("from the server")
    command = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "8000")
    job = Job(command, (*python_runtime(), Mount(folder, "/served")), cwd="/served", limits=Limits(wall_s=60))
    process = start(job, network=network, log_path=folder.with_suffix(".log"))
    while network.probe(8000, "/page") != 200:
        assert process.wait(0.02) is None
    return process


def _client(code: str, network: Network | None, *mounts: Mount) -> Outcome:
    return run(Job((*PYTHON, code), (*python_runtime(), *mounts), limits=Limits(wall_s=20)), network=network)


GET = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000/page', timeout=5).read().decode())"


def test_two_sandboxes_talk_but_share_no_files(network: Network, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "checker-secret").write_text("secret")
    server = _serve(network, tmp_path / "served")
    try:
        assert _client(GET, network, Mount(mine, "/mine")).stdout == "from the server\n"
        look = (
            "import glob, os\nprint(os.path.exists('/served'), os.path.exists('/mine'), len(glob.glob('/proc/[0-9]*')))"
        )
        assert _client(look, network, Mount(mine, "/mine")).stdout == "False True 2\n"
        assert all(not Path(f"/proc/{pid}/root/mine").exists() for pid in server.pids())
    finally:
        server.stop(grace_s=0)


def test_others_do_not_reach_it(network: Network, tmp_path: Path) -> None:
    server = _serve(network, tmp_path / "served")
    try:
        assert "refused" in _client(GET, None).stderr
        with Network() as other:
            assert "refused" in _client(GET, other).stderr
            assert other.probe(8000, "/page") is None
    finally:
        server.stop(grace_s=0)


def test_nothing_leaves_a_shared_network(network: Network) -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 80), 5)"
    assert "unreachable" in _client(code, network).stderr


def test_a_sandbox_cannot_rule_the_shared_network(network: Network) -> None:
    code = """
import fcntl, socket, struct
lo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    fcntl.ioctl(lo, 0x8914, struct.pack("16sH14x", b"lo", 0))
except PermissionError:
    print("denied")
"""
    assert _client(code, network).stdout == "denied\n"


ANSWERS = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 8000))
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    connection.recv(4096)
    connection.sendall(bytes.fromhex(sys.argv[1]))
    if sys.argv[2] == "close": connection.close()
    held = connection
"""


@pytest.mark.parametrize(
    ("response", "then", "status"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", "close", 200),
        (b"HTTP/1.1 503 Busy\r\n\r\n", "hold", 503),
        (b"", "close", None),
        (b"", "hold", None),
        (b"HTTP/1.1 2", "hold", None),
        (b"SSH-2.0-x\r\n", "close", None),
        (b"HTTP/1.1 \xff\xfe\r\n", "close", None),
        (b"x" * 50_000, "hold", None),
    ],
)
def test_a_probe_survives_any_answer(
    network: Network, tmp_path: Path, response: bytes, then: str, status: int | None
) -> None:
    command = (*PYTHON, ANSWERS, response.hex(), then)
    job = Job(command, python_runtime(), limits=Limits(wall_s=60))
    process = start(job, network=network, log_path=tmp_path / "log")
    try:
        while "ready" not in process.log():
            assert process.wait(0.02) is None
        assert network.probe(8000, "/health", timeout_s=0.3) == status
        assert network.probe(8001, "/health", timeout_s=0.3) is None
    finally:
        process.stop(grace_s=0)


def test_a_closed_network_says_so(tmp_path: Path) -> None:
    network = Network()
    holder_pid = network.holder_pid
    network.close()
    network.close()
    assert not Path(f"/proc/{holder_pid}").exists()
    with pytest.raises(InfrastructureFailed, match="closed"):
        assert network.holder_pid
    with pytest.raises(InfrastructureFailed):
        network.probe(8000, "/health")
    with pytest.raises(InfrastructureFailed):
        run(Job(("true",)), network=network)


def test_an_ordinary_user_has_networks_too(ordinary_caller: Any, tmp_path: Path) -> None:
    script = f"""
import sys
from pathlib import Path
from vibeserve.lab.isolation import *
folder = Path(sys.argv[1])
(folder / "page").write_text("from the server")
with Network() as network:
    command = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "8000")
    mounts = (*python_runtime(), Mount(folder, "/served"))
    server = start(Job(command, mounts, cwd="/served"), network=network, log_path=folder / "log")
    while network.probe(8000, "/page") != 200: assert server.wait(0.02) is None
    get = (sys.executable, "-I", "-c", {GET!r})
    print(run(Job(get, python_runtime()), network=network).stdout, end="")
    print("refused" in run(Job(get, python_runtime())).stderr)
    server.freeze(); print(network.probe(8000, "/page", 0.2)); server.thaw(); print(network.probe(8000, "/page"))
    print(server.stop().exit_code, server.pids())
"""
    command, env = ordinary_caller.command("-c", script, str(ordinary_caller.directory("served")))
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, cwd="/", check=False)
    assert done.stdout.splitlines() == ["from the server", "True", "None", "200", "143 []"], done.stderr
