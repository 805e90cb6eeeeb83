"""The mounts with which Python runs inside a sandbox."""

import sys
from pathlib import Path

from .job import Mount

_ALWAYS_MOUNTED = Path("/usr")


def python_runtime() -> tuple[Mount, ...]:
    """Read-only mounts with which `sys.executable`, its venv included, runs inside at its original path."""
    executable = Path(sys.executable)
    needed = {
        Path(sys.prefix),
        Path(sys.base_prefix),
        executable.parent.parent,
        executable.resolve().parent.parent,
    }
    outside_usr = {path for path in needed if not path.is_relative_to(_ALWAYS_MOUNTED)}
    roots = [path for path in outside_usr if not any(path != other and path.is_relative_to(other) for other in needed)]
    return tuple(Mount(source=path, at=str(path)) for path in sorted(roots))


def vibeserve_source() -> Mount:
    """The package itself, read-only, at its original path: for the client's or checker's sandbox only."""
    package = Path(__file__).parents[2]
    return Mount(source=package, at=str(package))
