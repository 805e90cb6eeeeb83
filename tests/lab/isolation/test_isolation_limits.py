"""Every limit says no."""

import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from vibeserve.core.errors import BadRequest
from vibeserve.lab.isolation import Job, Limits, Mount, python_runtime, run, start

MIB = 1 << 20


def test_within_its_limits_a_job_just_ends(caller: Any) -> None:
    outcome = caller.python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (outcome.status, outcome.exit_code, outcome.ok) == ("exited", 3, False)
    assert (outcome.stdout, outcome.stderr) == ("out\n", "err\n")


def test_a_signal_is_an_exit_code_above_128(caller: Any) -> None:
    outcome = caller.python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert (outcome.status, outcome.exit_code) == ("exited", 128 + 9)


def test_wall_time(caller: Any) -> None:
    outcome = caller.python("print('begun', flush=True); import time; time.sleep(1000)", wall_s=0.5)
    assert (outcome.status, outcome.exit_code, outcome.stdout) == ("timed_out", None, "begun\n")
    assert outcome.seconds >= 0.5


def test_no_time_at_all(tmp_path: Path) -> None:
    limits = Limits(wall_s=0)
    assert run(Job(("sleep", "100"), limits=limits)).status == "timed_out"
    process = start(Job(("sleep", "100"), limits=limits), log_path=tmp_path / "log")
    outcome = process.wait(20)
    assert outcome is not None
    assert outcome.status == "timed_out"


def test_cpu_time_of_all_processes_together(caller: Any) -> None:
    outcome = caller.python("import os; os.fork()\nwhile True: pass", cpu_s=1)
    assert outcome.status == "timed_out"
    assert 1 <= outcome.cpu_s < outcome.seconds * 8


@pytest.mark.parametrize("kind", ["anonymous", "shared"])
def test_memory(caller: Any, kind: str) -> None:
    hog = {
        "anonymous": "held = [bytearray(1 << 20) for _ in range(4000)]",
        "shared": (
            "import mmap; held = mmap.mmap(-1, 4000 << 20)\n"
            "for n in range(4000): held[n << 20 : n + 1 << 20] = bytes([1]) * (1 << 20)"
        ),
    }
    outcome = caller.python(hog[kind] + "\nimport time; time.sleep(1000)", memory_bytes=256 * MIB)
    assert outcome.status == "out_of_memory"


def test_memory_of_many_processes_together(caller: Any) -> None:
    code = (
        "import os, time\nfor _ in range(8):\n    if os.fork() == 0: break\nheld = b'x' * (60 << 20); time.sleep(1000)"
    )
    assert caller.python(code, memory_bytes=256 * MIB).status == "out_of_memory"


def test_a_fork_bomb_stays_small(caller: Any) -> None:
    code = """
import os, time
count = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(1000)
        count += 1
except OSError as error:
    print(count, error.strerror)
"""
    outcome = caller.python(code, processes=40)
    assert outcome.ok, outcome
    count, reason = outcome.stdout.split(" ", 1)
    assert 20 <= int(count) <= 42
    assert "temporarily unavailable" in reason


def test_one_big_file(caller: Any) -> None:
    work = caller.directory("mine")
    code = "file = open('/mine/big', 'wb')\nfor _ in range(64): file.write(bytes(1 << 20)); file.flush()"
    outcome = caller.python(code, (Mount(work, "/mine", writable=True),), file_bytes=8 * MIB)
    assert "File too large" in outcome.stderr
    assert (work / "big").stat().st_size == 8 * MIB


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
def test_memory_file_systems_are_small(caller: Any, place: str) -> None:
    code = f"file = open('{place}/big', 'wb')\nfor _ in range(64): file.write(bytes(1 << 20)); file.flush()"
    outcome = caller.python(code, tmp_bytes=8 * MIB)
    assert "No space left" in outcome.stderr


def test_open_files(caller: Any) -> None:
    outcome = caller.python("held = [open('/dev/null') for _ in range(100)]", open_files=64)
    assert "Too many open files" in outcome.stderr


def test_no_core_dumps(caller: Any) -> None:
    work = caller.directory("mine")
    code = "import os; os.chdir('/mine'); os.abort()"
    assert caller.python(code, (Mount(work, "/mine", writable=True),)).exit_code == 128 + 6
    assert not list(work.iterdir())


def test_endless_output_ends_the_job(caller: Any) -> None:
    code = "import os\nwhile True: os.write(1, b'x' * 65536)"
    outcome = caller.python(code, output_max_bytes=16 * MIB)
    assert outcome.status == "output_limit"
    assert len(outcome.stdout) < 70_000


def test_a_hundred_megabytes_keep_head_and_tail(caller: Any) -> None:
    code = "import os\nos.write(1, b'first')\nfor _ in range(1600): os.write(1, b'x' * 65536)\nos.write(1, b'last')"
    outcome = caller.python(code, output_max_bytes=200 * MIB, output_kept_bytes=1000)
    assert outcome.ok
    assert outcome.stdout.startswith("first")
    assert outcome.stdout.endswith("last")
    assert f"[… {1600 * 65536 + 9 - 1000} bytes left out …]" in outcome.stdout


def test_cancelling_ends_the_job(tmp_path: Path) -> None:
    cancel = threading.Event()
    job = Job((sys.executable, "-c", "import time; time.sleep(1000)"), python_runtime())
    threading.Timer(0.2, cancel.set).start()
    outcome = run(job, cancel=cancel)
    assert (outcome.status, outcome.exit_code) == ("cancelled", None)


def test_a_program_that_is_not_there_ends_as_in_a_shell() -> None:
    outcome = run(Job(("no-such-program",)))
    assert outcome.exit_code == 127
    assert "no-such-program" in outcome.stderr


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (Job(()), "empty"),
        (Job(("true", "a\0b")), "NUL"),
        (Job(("true", "x" * 200_000)), "too long"),
        (Job(("true",), env={"A=B": "c"}), "no name"),
        (Job(("true",), cwd="/nowhere"), "working directory"),
        (Job(("true",), (Mount(Path("/nowhere"), "/target"),)), "cannot be mounted"),
        (Job(("true",), (Mount(Path("/usr"), "target"),)), "no place"),
        (Job(("true",), (Mount(Path("/usr"), "/a/../.."),)), "no place"),
        (Job(("true",), (Mount(Path("/usr"), "/a/b"), Mount(Path("/usr"), "/a"))), "hide"),
        (Job(("true",), (Mount(Path("/usr"), "/usr/nowhere"),)), "mount point"),
    ],
)
def test_a_job_that_cannot_run_is_a_bad_request(job: Job, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        run(job)


def test_odd_names_and_values_arrive_as_they_are(tmp_path: Path) -> None:
    odd = tmp_path / "a b\n\udcff'\"$(x)"
    odd.mkdir()
    code = "import os; print(ascii(os.environ['ODD']), ascii(os.listdir('/odd')))"
    mounts = (*python_runtime(), Mount(tmp_path, "/odd"), Mount(odd, "/odd\udcfe"))
    job = Job((sys.executable, "-c", code), mounts, env={"ODD": "é\n\udcff --"}, limits=Limits(wall_s=20))
    outcome = run(job)
    assert outcome.ok, outcome
    assert outcome.stdout == f"{job.env['ODD']!a} {[odd.name]!a}\n"


KEPT_BY_THE_C_LIBRARY = 1 << 31 | 1 << 32
"""Signals 32 and 33: no program can set them, so they are as some ancestor of ours had them."""


def test_signals_and_umask_are_as_in_a_fresh_login() -> None:
    outcome = run(Job(("sh", "-c", "umask; grep -E 'SigIgn|SigBlk' /proc/self/status; yes | head -1")))
    umask, _, blocked, _, ignored, written = outcome.stdout.split()
    assert (umask, int(blocked, 16), written) == ("0022", 0, "y")
    assert int(ignored, 16) & ~KEPT_BY_THE_C_LIBRARY == 0
