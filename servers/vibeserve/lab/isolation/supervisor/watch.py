"""Watching one sandbox from its start to its certain end."""

import contextlib
import json
import os
import select
import signal
import time

from . import proctree
from .capture import Capture, LogFile
from .cgroups import Group
from .child import Child
from .plan import Plan

_TICK_MS = 50
_CHUNK_BYTES = 1 << 16
_CONTROL = 0
_NO_SUCH_PROGRAM = 127  # as shells say it


class Watch:
    """The event loop of a supervisor: output, limits, the caller's pipe, the end."""

    def __init__(self, plan: Plan, child: Child, group: Group | None, log: LogFile | None, caller: int) -> None:
        self._plan, self._child, self._group = plan, child, group
        self._stdout = Capture(plan.output_kept_bytes)
        self._streams = {child.stdout: self._stdout}
        self._stderr = Capture(plan.output_kept_bytes)
        if child.stderr is not None:
            self._streams[child.stderr] = self._stderr
        self._log, self._caller = log, caller
        self._bwrap = os.pidfd_open(child.pid)
        self._status_lines = bytearray()
        self._exit_code: int | None = None
        self._verdict: str | None = None  # why we ended it
        self._started = False
        self._started_at = time.monotonic()
        self._cpu_s = 0.0

    def run(self) -> dict[str, object]:
        """Watch until everything is dead; the closing event."""
        poll = select.poll()
        for fd in (_CONTROL, self._child.status, self._bwrap, *self._streams):
            poll.register(fd, select.POLLIN)
        while not self._verdict:
            ready = [fd for fd, _ in poll.poll(_TICK_MS)]
            for fd in ready:
                if not self._handle(fd):
                    poll.unregister(fd)
            self._check_limits()
            if self._log:
                self._log.show(self._stdout)
            if self._bwrap in ready:
                break
        return self._end()

    def _handle(self, fd: int) -> bool:
        """React to a readable descriptor; False once it is at its end."""
        if fd == self._bwrap:
            return True
        data = os.read(fd, _CHUNK_BYTES)
        if fd == _CONTROL:
            self._verdict = self._verdict or (None if data else "cancelled")
        elif fd == self._child.status:
            self._note_status(data)
        elif data:
            self._streams[fd].add(data)
        return bool(data)

    def _note_status(self, data: bytes) -> None:
        self._status_lines += data
        while b"\n" in self._status_lines:
            line, _, rest = self._status_lines.partition(b"\n")
            self._status_lines = rest
            event = json.loads(line)
            if "child-pid" in event:
                self._report_start()
            if "exit-code" in event:
                self._exit_code = event["exit-code"]

    def _report_start(self) -> None:
        self._started = True
        self._started_at = time.monotonic()
        report({"event": "started", "pid": self._child.pid, "limits": self._mechanism()})

    def _mechanism(self) -> str:
        return f"cgroup {self._group.version}" if self._group else "rlimits and polling"

    def _check_limits(self) -> None:
        if self._verdict:
            return
        if os.getppid() != self._caller:  # it died, and a fork of it still holds our pipe
            self._verdict = "cancelled"
        elif sum(stream.total_bytes for stream in self._streams.values()) > self._plan.output_max_bytes:
            self._verdict = "output_limit"
        elif time.monotonic() - self._started_at > self._plan.wall_s or self._cpu_spent():
            self._verdict = "timed_out"
        elif self._memory_spent():
            self._verdict = "out_of_memory"

    def _cpu_spent(self) -> bool:
        if not self._group:  # the kernel forgets the time of what dies with its namespace
            self._cpu_s = max(self._cpu_s, proctree.cpu_s(proctree.descendants(self._child.pid)))
        elif self._plan.cpu_s is not None:
            self._cpu_s = self._group.cpu_s()
        return self._plan.cpu_s is not None and self._cpu_s > self._plan.cpu_s

    def _memory_spent(self) -> bool:
        if self._group:
            return self._group.memory_kills() > 0
        return proctree.memory_bytes(proctree.descendants(self._child.pid)) > self._plan.memory_bytes

    def _end(self) -> dict[str, object]:
        """Kill what is left, wait until all of it is dead, read what it wrote, say what happened."""
        seconds = time.monotonic() - self._started_at
        bwrap_status = self._kill()
        for fd, stream in self._streams.items():
            stream.add(_read_rest(fd))  # at most what a pipe holds: its writers are dead
        self._note_status(_read_rest(self._child.status))
        self._check_memory_at_end()
        if self._log:
            self._log.show(self._stdout, at_once=True)
        if self._exit_code is None and not self._verdict:
            if os.WIFSIGNALED(bwrap_status):
                return {"event": "failed", "evidence": f"bwrap: killed by signal {os.WTERMSIG(bwrap_status)}"}
            said = self._stderr.text() or self._stdout.text()  # bubblewrap's own: nothing else ran
            if "bwrap: execvp " not in said:
                return {"event": "failed", "evidence": said}
            self._exit_code = _NO_SUCH_PROGRAM
        if not self._started:  # ended by us during its set-up
            self._report_start()
        return {
            "event": "ended",
            "status": self._verdict or "exited",
            "exit_code": None if self._verdict else self._exit_code,
            "stdout": self._stdout.text(),
            "stderr": self._stderr.text(),
            "seconds": seconds,
            "cpu_s": self._cpu_s,
        }

    def _kill(self) -> int:
        """SIGKILL the first process of the pid namespace; it can be reaped when all in it are dead."""
        signal.pidfd_send_signal(self._bwrap, signal.SIGKILL)
        _, status, usage = os.wait4(self._child.pid, 0)
        self._cpu_s = self._group.cpu_s() if self._group else max(self._cpu_s, usage.ru_utime + usage.ru_stime)
        return status

    def _check_memory_at_end(self) -> None:
        if self._group and not self._verdict and self._group.memory_kills() > 0:
            self._verdict = "out_of_memory"


def _read_rest(fd: int) -> bytes:
    os.set_blocking(fd, False)
    rest = bytearray()
    with contextlib.suppress(BlockingIOError):
        while chunk := os.read(fd, _CHUNK_BYTES):
            rest += chunk
    return bytes(rest)


def report(event: dict[str, object]) -> None:
    """One JSON line to the caller, who may be dead."""
    data = json.dumps(event).encode() + b"\n"
    with contextlib.suppress(BrokenPipeError):
        while data:
            data = data[os.write(1, data) :]
