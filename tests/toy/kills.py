"""kill -9 from outside, of the processes that a gate or a measurement has started."""

import contextlib
import threading
import time
from collections.abc import Callable

import psutil

CANDIDATE = "serve.py"
REFERENCE = "/workspace/reference/serve.py"
CHECKER = "/target/accuracy_checker/checker.py"
BENCHMARK = "/target/benchmark/benchmark.py"
SEEN_WITHIN_S = 20.0


def servers_of(process: psutil.Process, script: str) -> list[psutil.Process]:
    """The processes below `process` that run `script`, without the sandboxes around them."""
    found = []
    for one in process.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            line = one.cmdline()
            if script in line and "python" in line[0] and "bwrap" not in line[0]:
                found.append(one)
    return found


def kill_one(script: str) -> None:
    """SIGKILL the process below this one that runs `script`, as soon as it is there."""
    deadline = time.monotonic() + SEEN_WITHIN_S
    while time.monotonic() < deadline:
        for one in servers_of(psutil.Process(), script):
            one.kill()
            return
        time.sleep(0.02)


def killing(script: str, at: str, delay_s: float = 0.0, times: int = 1) -> Callable[[str], None]:
    """Progress that kills the process of `script` this long after a message that starts with `at`."""
    left = [times]

    def heard(message: str) -> None:
        if message.startswith(at) and left[0]:
            left[0] -= 1
            threading.Timer(delay_s, kill_one, [script]).start() if delay_s else kill_one(script)

    return heard
