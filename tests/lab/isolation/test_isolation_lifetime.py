"""Nothing outlives its run, its process, or its caller."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.lab.isolation import Job, Limits, Mount, Process, python_runtime, run, start
from vibeserve.lab.isolation.sandbox import _plan as plan_of
from vibeserve.lab.isolation.spawning import Supervisor
from vibeserve.lab.isolation.supervisor import proctree
from vibeserve.lab.isolation.supervisor.plan import encode

LONG = Limits(wall_s=300)
DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(3): os.close(fd)
        open("/mine/alive", "w").close()
        time.sleep(1000)
    os._exit(0)
os.wait()
while not os.path.exists("/mine/alive"): time.sleep(0.01)
"""


def alive(pid: int) -> bool:
    """Whether the process exists and is more than a zombie that its new parent has not noticed yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(true: Callable[[], bool], what: str, timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@pytest.fixture
def token(find_processes: Any) -> Iterator[str]:
    token = f"token-{uuid.uuid4()}"
    yield token
    survivors = find_processes(token)
    proctree.send(survivors, signal.SIGKILL)  # a failing test leaves nothing either
    assert survivors == []


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    processes: list[Process] = []

    def begin(code: str, *arguments: str, mounts: tuple[Mount, ...] = (), limits: Limits = LONG) -> Process:
        command = (sys.executable, "-u", "-c", textwrap.dedent(code), *arguments)
        log_path = tmp_path / f"log{len(processes)}"
        processes.append(start(Job(command, (*python_runtime(), *mounts), limits=limits), log_path=log_path))
        return processes[-1]

    yield begin
    for process in processes:
        process.stop(grace_s=0)


def test_a_daemon_dies_with_its_run(tmp_path: Path, token: str, find_processes: Any) -> None:
    control = subprocess.run(
        [sys.executable, "-c", DAEMON.replace("/mine", str(tmp_path)), token], check=False, timeout=30
    )
    assert control.returncode == 0
    survivors = find_processes(token)
    assert survivors, "the control's daemon should have survived"
    proctree.send(survivors, signal.SIGKILL)
    until(lambda: not find_processes(token), "the control's daemon is gone")
    (tmp_path / "alive").unlink()
    mounts = (*python_runtime(), Mount(tmp_path, "/mine", writable=True))
    assert run(Job((sys.executable, "-c", DAEMON, token), mounts, limits=Limits(wall_s=30))).ok
    assert (tmp_path / "alive").exists()
    assert find_processes(token) == []


def test_a_daemon_dies_with_a_run_out_of_time(tmp_path: Path, token: str, find_processes: Any) -> None:
    mounts = (*python_runtime(), Mount(tmp_path, "/mine", writable=True))
    command = (sys.executable, "-c", DAEMON + "time.sleep(1000)", token)
    assert run(Job(command, mounts, limits=Limits(wall_s=1.5))).status == "timed_out"
    assert (tmp_path / "alive").exists()
    assert find_processes(token) == []


def test_a_process_that_goes_on(token: str, find_processes: Any, started: Any) -> None:
    process = started(
        "import os, time; sum(range(10**6)); os.fork(); os.write(1, b'ready\\n'); time.sleep(1000)", token
    )
    until(lambda: process.log().count("ready") == 2, "ready")
    assert process.running()
    assert process.exit is None
    assert len(process.pids()) == 3
    assert set(process.pids()) <= set(find_processes(token))
    assert process.cpu_s() > 0
    outcome = process.stop()
    assert (outcome.status, outcome.exit_code) == ("exited", 128 + 15)
    assert process.pids() == []
    assert not process.running()
    assert process.exit == outcome == process.stop()
    assert process.log() == outcome.stdout == "ready\nready\n"


def test_stop_kills_what_ignores_sigterm(started: Any) -> None:
    process = started("import signal, time; signal.signal(15, signal.SIG_IGN); print('ready'); time.sleep(1000)")
    until(lambda: "ready" in process.log(), "ready")
    assert process.stop(grace_s=0.1).status == "cancelled"
    assert process.pids() == []


def test_stop_ends_what_is_frozen(started: Any) -> None:
    process = started("import time; time.sleep(1000)")
    process.freeze()
    assert process.stop(grace_s=0).status == "cancelled"


def test_the_end_is_noticed(started: Any) -> None:
    process = started("print('bye'); raise SystemExit(7)")
    outcome = process.wait(20)
    assert (outcome.status, outcome.exit_code, outcome.stdout) == ("exited", 7, "bye\n")
    assert not process.running()


@pytest.mark.parametrize(
    ("code", "limits", "status"),
    [
        ("while True: pass", Limits(wall_s=0.5), "timed_out"),
        ("while True: print('x' * 1000)", Limits(output_max_bytes=1 << 20), "output_limit"),
        ("held = []\nwhile True: held.append(bytearray(1 << 20))", Limits(memory_bytes=1 << 28), "out_of_memory"),
    ],
)
def test_limits_end_a_process(started: Any, code: str, limits: Limits, status: str) -> None:
    outcome = started(code, limits=limits).wait(60)
    assert (outcome.status, outcome.exit_code) == (status, None)


def test_a_log_stays_small_and_shows_the_latest(started: Any, tmp_path: Path) -> None:
    code = "import time\nfor n in range(20000): print('line', n)\nprint('end'); time.sleep(1000)"
    process = started(code, limits=Limits(wall_s=300, output_kept_bytes=2000))
    until(lambda: process.log().endswith("end\n"), "the end of the log")
    assert process.log().startswith("line 0\n")
    assert "bytes left out" in process.log()
    assert (tmp_path / "log0").stat().st_size < 2200


def test_frozen_means_not_running(started: Any) -> None:
    process = started("import os\nos.fork(); os.fork()\nwhile True: pass")
    until(lambda: len(process.pids()) == 5 and process.cpu_s() > 0.1, "four busy processes")
    process.freeze()
    before = process.cpu_s()
    busy_until = time.process_time() + 0.2
    while time.process_time() < busy_until:
        pass
    assert process.cpu_s() == before
    process.thaw()
    until(lambda: process.cpu_s() > before, "it goes on")


def test_the_death_of_the_starting_thread_changes_nothing(started: Any) -> None:
    processes: list[Process] = []
    thread = threading.Thread(target=lambda: processes.append(started("import time; time.sleep(1000)")))
    thread.start()
    thread.join()
    assert processes[0].running()
    assert processes[0].wait(0.3) is None


def test_runs_from_many_threads() -> None:
    outcomes: list[str] = []

    def work(number: int) -> None:
        outcomes.append(run(Job(("echo", str(number)))).stdout.strip())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, key=int) == [str(number) for number in range(12)]


CALLER = """
import json, os, sys, time
from pathlib import Path
from vibeserve.lab.isolation import Job, Limits, Network, python_runtime, start
network = Network()
code = "import os, time\\nif os.fork() == 0: os.setsid()\\ntime.sleep(1000)"
job = Job((sys.executable, "-c", code, sys.argv[1]), python_runtime(), limits=Limits(wall_s=300))
own = start(job, log_path=Path(sys.argv[2]) / "own")
joined = start(job, network=network, log_path=Path(sys.argv[2]) / "joined")
while len(own.pids()) + len(joined.pids()) < 6: time.sleep(0.01)
supervisors = [own._supervisor.pid, joined._supervisor.pid]
pids = [network.holder_pid, *own.pids(), *joined.pids()]
if sys.argv[3] == "forked" and os.fork() == 0:
    time.sleep(1000)
print(json.dumps([supervisors, pids]), flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("how", ["alone", "forked", "with its supervisors"])
def test_kill_9_of_the_caller_leaves_nothing(caller: Any, token: str, find_processes: Any, how: str) -> None:
    command, env = caller.command("-c", CALLER, token, str(caller.directory("logs")), how)
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True, cwd="/") as caller:
        assert caller.stdout
        supervisors, pids = json.loads(caller.stdout.readline())
        assert all(map(alive, supervisors + pids))
        caller.kill()
        if how == "with its supervisors":
            for pid in supervisors:
                os.kill(pid, signal.SIGKILL)
        caller.wait()
        until(lambda: not any(map(alive, supervisors + pids)), "all are gone")
        proctree.send(find_processes(token), signal.SIGKILL)  # the caller's own fork, which no sandbox holds
        until(lambda: not find_processes(token), "the fork is gone")


def _first_of_pid_namespace(supervisor: int) -> list[int]:
    """Children of the supervisor that are the first process of a pid namespace: bubblewrap, or about to be."""
    found = []
    for pid in proctree._children(supervisor):
        try:
            nested = Path(f"/proc/{pid}/status").read_text().partition("NSpid:")[2].split("\n")[0].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if nested[1:] == ["1"]:
            found.append(pid)
    return found


@pytest.mark.parametrize("delay_ms", [None] * 5 + list(range(0, 100, 10)))
def test_kill_9_of_a_supervisor_at_any_moment_leaves_nothing(
    token: str, find_processes: Any, delay_ms: int | None
) -> None:
    job = Job((sys.executable, "-c", "import time; time.sleep(1000)", token), python_runtime(), limits=LONG)
    supervisor = Supervisor("sandbox", encode(plan_of(job, None, None)))
    firsts: list[int] = []
    if delay_ms is None:  # the worst moment: it has just forked
        while not firsts:
            firsts = _first_of_pid_namespace(supervisor.pid)
    else:
        time.sleep(delay_ms / 1000)  # no synchronization: the moment is what is varied
    os.kill(supervisor.pid, signal.SIGKILL)
    with pytest.raises(InfrastructureFailed, match="died"):
        while supervisor.event(20):
            pass
    until(lambda: not find_processes(token) and not any(map(alive, firsts)), "all are gone")


def test_kill_9_of_a_supervisor_is_an_infrastructure_failure(tmp_path: Path, token: str) -> None:
    process = start(Job(("sleep", "1000"), limits=LONG), log_path=tmp_path / "log")
    os.kill(process._supervisor.pid, signal.SIGKILL)
    with pytest.raises(InfrastructureFailed):
        process.wait(20)
    with pytest.raises(InfrastructureFailed):
        process.running()
    assert run(Job(("true",))).ok  # it also removes what the dead supervisor left
