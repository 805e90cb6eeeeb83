"""The launch contract: health, ownership of the port, death, stop."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vibeserve.core.errors import BadRequest, CandidateFailed, InfrastructureFailed
from vibeserve.lab.isolation import Job, Limits, Mount, Network, python_runtime, run, start
from vibeserve.lab.serving import LaunchSpec, launch
from vibeserve.lab.serving.sockets import listeners

HONEST = "from served import serve; print('serving', flush=True); serve(8000)"


def _gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def _until(true: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_server_is_launched_used_and_stopped(launched: Any, network: Network) -> None:
    service = launched(HONEST)
    assert service.url == "http://127.0.0.1:8000"
    assert 0 < service.boot_s < 20
    service.require_alive()
    get = f"import urllib.request as r; print(r.urlopen('{service.url}/health', timeout=5).read())"
    outcome = run(Job((sys.executable, "-I", "-c", get), python_runtime()), network=network)
    assert outcome.stdout == "b'hello'\n", outcome
    pids = service.process.pids()
    service.stop()
    assert _gone(pids)
    assert listeners(network.holder_pid, 8000) == []
    assert service.log_tail() == "serving\n"


def test_the_command_gets_the_contract(launched: Any) -> None:
    code = """
import os, sys
print(sys.argv[1:], os.getcwd(), open("/model/weights").read(), sys.executable, flush=True)
for path in ("/workspace/new", "/model/new"):
    try: open(path, "w")
    except OSError as error: print(error.strerror, flush=True)
from served import serve; serve(int(sys.argv[2]))
"""
    service = launched(code, port=8123)
    contract = ["--port", "8123", "--model", "/model", "--dtype", "float32"]
    _until(lambda: service.log_tail().count("\n") == 3)
    first, *denials = service.log_tail().splitlines()
    assert first == f"{contract} /workspace weights {sys.executable}"
    assert denials == ["Read-only file system"] * 2
    assert service.url.endswith(":8123")


def test_a_writable_workspace_and_more_mounts(launched: Any, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    code = "open('/workspace/new', 'w').close(); import os; print(os.listdir('/more'))\n" + HONEST
    launched(code, writable=True, mounts=(Mount(tmp_path / "more", "/more"),))
    assert (tmp_path / "root" / "new").exists()


def test_freezing_stops_the_answers(launched: Any, network: Network) -> None:
    service = launched(HONEST)
    service.freeze()
    assert network.probe(8000, "/health", timeout_s=0.3) is None
    service.thaw()
    assert network.probe(8000, "/health", timeout_s=10) == 200


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(3)", "exit status 3"),
        ("import os; os.kill(os.getpid(), 11)", "exit status 139"),
        ("held = []\nwhile True: held.append(bytearray(1 << 20))", "more memory"),
        ("while True: print('x' * 10_000)", "more output"),
        ("import time; time.sleep(1000)", "time was up"),
    ],
)
def test_a_server_that_ends_before_it_is_healthy(launched: Any, network: Network, code: str, said: str) -> None:
    limits = Limits(wall_s=1 if "time" in said else 20, memory_bytes=1 << 28, output_max_bytes=1 << 20)
    with pytest.raises(CandidateFailed, match=said) as failure:
        launched("print('trying', flush=True)\n" + code, limits=limits)
    assert "before it was healthy" in failure.value.message
    if "output" not in said:
        assert "trying" in failure.value.evidence


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import time; time.sleep(1000)", "did not answer"),
        ("import socket; s = socket.create_server(('127.0.0.1', 8000))\nwhile True: s.accept()", "did not answer"),
        ("from served import *; Handler.do_GET = lambda self: self.send_error(503); serve(8000)", "answered 503"),
        ("from served import *; serve(8001)", "did not answer"),
        ("from served import *; serve(8000, '127.0.0.2')", "did not answer"),
    ],
)
def test_a_server_that_never_gets_healthy(launched: Any, network: Network, code: str, said: str) -> None:
    with pytest.raises(CandidateFailed, match=said) as failure:
        launched("print('waiting', flush=True)\n" + code, boot_timeout_s=1.5)
    assert "not healthy after 1.5 s" in failure.value.message
    assert "waiting" in failure.value.evidence
    assert listeners(network.holder_pid, 8000) == []


def test_a_server_that_dies_later(launched: Any, network: Network) -> None:
    service = launched(
        "import os, served\nserved.Handler.do_GET = lambda self: (self.send_response(200), self.end_headers())\n"
        "served.Handler.do_POST = lambda self: (print('crash', flush=True), os._exit(9))\nserved.serve(8000)"
    )
    post = f"import urllib.request as r; r.urlopen('{service.url}', data=b'x', timeout=5)"
    run(Job((sys.executable, "-I", "-c", post), python_runtime()), network=network)
    _until(lambda: not service.process.running())
    with pytest.raises(CandidateFailed, match="exit status 9") as failure:
        service.require_alive()
    assert "crash" in failure.value.evidence


SQUATTER = """
import socket, sys
sys.path.insert(0, "/squat")
from served import serve
signal = socket.create_server(("127.0.0.1", 9000))
print("ready", flush=True)
signal.accept()
serve(8000, sys.argv[1])
"""


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "0.0.0.0"])
def test_a_port_held_by_a_foreign_process(launched: Any, network: Network, tmp_path: Path, address: str) -> None:
    own = "127.0.0.1" if address == "127.0.0.2" else "127.0.0.3"
    call = "import socket; socket.create_connection(('127.0.0.1', 9000))\n"
    wait = "import time\nwhile True:\n    try: socket.create_connection((%r, 8000)); break\n    except OSError: pass\n"
    seen = wait % ("127.0.0.1" if address == "0.0.0.0" else address)
    rest = "from served import serve; serve(8000)" if own == "127.0.0.1" else "time.sleep(1000)"
    folder = tmp_path / "root"
    (folder / "served.py").write_text((Path(__file__).parent / "conftest.py").read_text().split('"""')[3])
    command = (sys.executable, "-c", SQUATTER, address)
    job = Job(command, (*python_runtime(), Mount(folder, "/squat")), limits=Limits(wall_s=60))
    squatter = start(job, network=network, log_path=tmp_path / "squatter")
    try:
        _until(lambda: "ready" in squatter.log())
        with pytest.raises(CandidateFailed, match="not the server's own") as failure:
            launched(call + seen + rest)
        assert "foreign listeners" in failure.value.evidence
    finally:
        squatter.stop(grace_s=0)


def test_a_grandchild_may_hold_the_port(launched: Any) -> None:
    code = "if os.fork() == 0:\n    os.setsid()\n    from served import serve; serve(8000)\ntime.sleep(1000)"
    launched("import os, time\n" + code)


def test_a_port_that_is_taken_is_no_fault_of_the_candidate(launched: Any, network: Network) -> None:
    launched(HONEST)
    with pytest.raises(InfrastructureFailed, match="Port 8000 is already taken"):
        launched(HONEST)


def test_two_servers_on_two_networks_have_the_same_port(launched: Any) -> None:
    first = launched(HONEST)
    with Network() as other:
        second = launched(HONEST, network=other)
        assert first.url == second.url
        second.stop()
        first.require_alive()


def test_an_unknown_placeholder_is_a_bad_request(tmp_path: Path, network: Network) -> None:
    paths = {"root": tmp_path, "model": tmp_path, "log_path": tmp_path / "log"}
    with pytest.raises(BadRequest, match=r"unknown placeholder \{host\}") as failure:
        launch(LaunchSpec(("{python}", "{host}")), dtype="float32", network=network, **paths)
    assert "{python} {port} {model} {dtype} {target}" in failure.value.next_step


def test_other_braces_are_left_alone(tmp_path: Path, network: Network) -> None:
    spec = LaunchSpec(("echo", '{"a": {}}', "{port.real}", "{target}"))
    with pytest.raises(CandidateFailed, match="exit status 0") as failure:
        launch(spec, root=tmp_path, model=tmp_path, dtype="float32", network=network, log_path=tmp_path / "log")
    assert failure.value.evidence == '{"a": {}} {port.real} /workspace\n'
