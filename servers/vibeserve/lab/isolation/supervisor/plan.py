"""The plan a caller sends to its supervisor: one line of JSON."""

import json
import os
from typing import NamedTuple


class PlannedMount(NamedTuple):
    """A host path and where it appears inside."""

    source: str
    at: str
    writable: bool


class Plan(NamedTuple):
    """Everything a supervisor needs to run one sandbox."""

    bwrap: str
    command: list[str]
    mounts: list[PlannedMount]
    cwd: str
    env: dict[str, str]
    network_holder: int | None  # pid whose network namespace is joined; None: a namespace of its own
    log_path: str | None  # both streams into this capped file; None: captured apart and reported at the end
    wall_s: float
    cpu_s: int | None
    memory_bytes: int
    processes: int
    open_files: int
    file_bytes: int
    tmp_bytes: int
    output_kept_bytes: int
    output_max_bytes: int


def encode(plan: Plan) -> bytes:
    """One line of JSON."""
    return json.dumps(plan._asdict()).encode() + b"\n"


def decode(line: bytes) -> Plan:
    """The plan in a line of JSON."""
    fields = json.loads(line)
    fields["mounts"] = [PlannedMount(*mount) for mount in fields["mounts"]]
    return Plan(**fields)


def read_line(fd: int) -> bytes:
    """All bytes up to the first newline or the end."""
    line = bytearray()
    while not line.endswith(b"\n"):
        chunk = os.read(fd, 65536)
        if not chunk:
            break
        line += chunk
    return bytes(line)
