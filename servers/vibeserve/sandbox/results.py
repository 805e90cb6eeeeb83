"""What the sandbox tools return."""

from typing import Literal

from vibeserve.core.tools import Result

DEFAULT_PORT = 8000


class CommandResult(Result):
    """How a command ended and what it printed: the program's words, fenced as data.

    `artifact` holds the longer output when it did not fit.
    """

    status: Literal["exited", "timed_out", "out_of_memory", "output_limit"]
    exit_code: int | None
    stdout: str
    stderr: str
    seconds: float
    place: str
    message: str | None = None
    artifact: str | None = None


class ServiceReport(Result):
    """A service and the end of its log (its own words, fenced as data).

    `artifact` holds the whole kept log once it was stopped.
    """

    service: str
    state: Literal["running", "ended", "stopped"]
    url: str
    command: str
    place: str
    boot_s: float
    log: str
    message: str | None = None
    artifact: str | None = None


class ArtifactPage(Result):
    """A page of an artifact: words of programs and candidates, fenced as data."""

    name: str
    offset: int
    text: str
    total_bytes: int
    next_offset: int | None = None


class MountShown(Result):
    """One thing that the sandbox shows."""

    at: str
    what: str
    writable: bool


class LimitsShown(Result):
    """Bounds on everything that one command or service runs."""

    memory_gib: float
    processes: int
    file_gib: float
    output_mib: float


class CheckShown(Result):
    """One property of the isolation, as just tested on this machine."""

    name: str
    ok: bool
    detail: str


class Environment(Result):
    """The machine and the sandbox."""

    system: str
    cores: int
    memory_gib: float
    gpu: str
    python: str
    libraries: dict[str, str]
    mounts: list[MountShown]
    limits: LimitsShown
    network: str
    launch: str
    isolation: list[CheckShown]
