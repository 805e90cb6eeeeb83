"""A sandboxed process that goes on."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from vibeserve.core.errors import InfrastructureFailed

from .job import Outcome
from .spawning import Supervisor
from .supervisor import proctree

_STOP_TIMEOUT_S = 5.0
_WAIT_SLICE_S = 0.1
_FREEZE_TIMEOUT_S = 2.0


def outcome_of(event: dict[str, Any]) -> Outcome:
    """The outcome in a supervisor's closing report."""
    return Outcome(**{name: value for name, value in event.items() if name != "event"})


class Process:
    """A running sandbox, alive until it ends, is stopped, or its starter dies. Thread-safe."""

    def __init__(self, supervisor: Supervisor, pid: int, log_path: Path) -> None:
        self._supervisor = supervisor
        self._log_path = log_path
        self._exit: Outcome | None = None
        self._lost: InfrastructureFailed | None = None
        self._lock = threading.RLock()
        self.pid = pid  # host pid of the process that all of the sandbox is below

    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._wait(0) is None

    @property
    def exit(self) -> Outcome | None:
        """How it ended; None while it runs. One that we had to kill reads as "cancelled".

        Raises InfrastructureFailed, each time, when the sandbox itself was killed from outside.
        """
        return self._wait(0)

    def wait(self, timeout_s: float) -> Outcome | None:
        """Wait for its end, at most this long; other threads may stop it meanwhile."""
        deadline = time.monotonic() + timeout_s
        while True:
            left_s = deadline - time.monotonic()
            outcome = self._wait(min(max(left_s, 0), _WAIT_SLICE_S))
            if outcome or left_s <= 0:
                return outcome

    def _wait(self, timeout_s: float) -> Outcome | None:
        with self._lock:
            if self._lost:
                raise self._lost
            if self._exit is None:
                event = self._event(timeout_s)
                if event:
                    self._exit = outcome_of(event)
                    self._supervisor.end()
            return self._exit

    def _event(self, timeout_s: float) -> dict[str, Any] | None:
        try:
            return self._supervisor.event(timeout_s)
        except InfrastructureFailed as error:
            self._lost = error
            raise

    def pids(self) -> list[int]:
        """Host pids of every process in the sandbox; empty once it has ended."""
        return proctree.descendants(self.pid) if self.running() else []

    def cpu_s(self) -> float:
        """CPU seconds spent so far by all its processes."""
        ended = self.exit
        return ended.cpu_s if ended else proctree.cpu_s(self.pids())

    def log(self) -> str:
        """Head and tail of what it wrote to stdout and stderr."""
        return self._log_path.read_text() if self._log_path.exists() else ""

    def freeze(self) -> None:
        """Stop every process where it is; on return none can run (else InfrastructureFailed)."""
        deadline = time.monotonic() + _FREEZE_TIMEOUT_S
        while True:
            pids = self.pids()
            proctree.send(pids, signal.SIGSTOP)
            if all(map(proctree.stopped, pids)) and self.pids() == pids:
                return
            if time.monotonic() > deadline:
                raise InfrastructureFailed("The sandbox cannot be frozen.", "Stop it instead.")
            os.sched_yield()

    def thaw(self) -> None:
        """Let every process go on."""
        proctree.send(self.pids(), signal.SIGCONT)

    def stop(self, grace_s: float = 1.0) -> Outcome:
        """Ask its processes to end (SIGTERM), kill what is left after `grace_s`; all are dead on return."""
        try:
            return self._stop(grace_s)
        except InfrastructureFailed:
            if not self._lost:
                raise
            return self._stop_lost()

    def _stop(self, grace_s: float) -> Outcome:
        if grace_s > 0 and self.running():
            proctree.send(self.pids(), signal.SIGTERM)
            self.thaw()
            self.wait(min(grace_s, _STOP_TIMEOUT_S - 1))
        self._supervisor.release()
        outcome = self._wait(_STOP_TIMEOUT_S)
        if outcome is None:
            self._supervisor.end()
            raise InfrastructureFailed("The sandbox did not stop in time.", "Its processes were killed.")
        return outcome

    def _stop_lost(self) -> Outcome:
        """What a killed supervisor left is killed by the kernel, which takes a moment."""
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while proctree.descendants(self.pid) and time.monotonic() < deadline:
            time.sleep(_WAIT_SLICE_S)
        return Outcome("cancelled", None, self.log(), "", 0.0, 0.0)
