"""What a sandbox is asked to do, and what came of it."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Status = Literal["exited", "timed_out", "out_of_memory", "output_limit", "cancelled"]


@dataclass(frozen=True)
class Mount:
    """A host file or directory shown inside at `at`; its owner on the host appears as the sandbox's user."""

    source: Path
    at: str
    writable: bool = False


@dataclass(frozen=True)
class Limits:
    """Bounds on one sandbox, all its processes together unless said otherwise."""

    wall_s: float = 60
    cpu_s: int | None = None
    memory_bytes: int = 8 << 30
    processes: int = 256  # threads count
    open_files: int = 4096  # per process
    file_bytes: int = 2 << 30  # per file
    tmp_bytes: int = 1 << 30  # each of /tmp and /dev/shm
    output_kept_bytes: int = 64 << 10  # per stream: half head, half tail
    output_max_bytes: int = 64 << 20  # both streams together; above it the job is killed


@dataclass(frozen=True)
class Job:
    """One command, what it sees, and its bounds. `env` is added to PATH, HOME=/tmp and LANG."""

    command: tuple[str, ...]
    mounts: tuple[Mount, ...] = ()
    cwd: str = "/"
    env: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = Limits()


@dataclass(frozen=True)
class Outcome:
    """How a job ended. `exit_code` is 128 + signal for a signal, None where we ended it.

    `stdout` and `stderr` hold head and tail around a marker line that says how much was left out;
    invalid UTF-8 is replaced and control characters are made visible. A started process has one log
    for both streams, given here as `stdout`.
    """

    status: Status
    exit_code: int | None
    stdout: str
    stderr: str
    seconds: float
    cpu_s: float

    @property
    def ok(self) -> bool:
        """Whether the command ended by itself with exit code 0."""
        return self.status == "exited" and self.exit_code == 0

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended the command though no limit of ours was passed: by whom cannot be seen."""
        return self.status == "exited" and self.exit_code == 128 + signal.SIGKILL
