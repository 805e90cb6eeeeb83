# ruff: noqa: PTH102, PTH106, PTH110, PTH112, PTH116, PTH118, PTH123, PTH208
"""A control group of its own for each sandbox, where the machine lets us make one."""

import os

_PREFIX = "vibeserve"
_V1_CONTROLLERS = {
    "memory": ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
    "pids": ("pids.max",),
    "cpuacct": (),
}


class Group:
    """Memory and process limits on everything that joined."""

    def __init__(self, version: str, directories: list[str]) -> None:
        self.version = version
        self._directories = directories

    def join(self) -> None:
        """Put the calling process, and all it will start, under the limits."""
        for directory in self._directories:
            _write(f"{directory}/cgroup.procs", "0")

    def memory_kills(self) -> int:
        """How many processes the kernel killed for memory."""
        name = "memory.events" if self.version == "v2" else "memory.oom_control"
        with open(f"{self._directories[0]}/{name}") as file:
            fields = dict(line.split() for line in file)
        return int(fields.get("oom_kill", "0"))

    def cpu_s(self) -> float:
        """CPU seconds of all that ever joined."""
        directory = self._directories[-1]
        if self.version == "v2":
            with open(f"{directory}/cpu.stat") as file:
                return int(dict(line.split() for line in file)["usage_usec"]) / 1e6
        with open(f"{directory}/cpuacct.usage") as file:
            return int(file.read()) / 1e9

    def remove(self) -> None:
        """Remove the group once its processes are dead."""
        for directory in self._directories:
            _remove(directory)


def create(memory_bytes: int, processes: int) -> Group | None:
    """A group with these limits, or None where no writable hierarchy has both controllers."""
    mounts = _mounts()
    if "cgroup2" in mounts:
        for parent in _parents(mounts["cgroup2"], _own_path("")):
            directory = _create_v2(parent, memory_bytes, processes)
            if directory:
                return Group("v2", [directory])
    if all(name in mounts for name in _V1_CONTROLLERS):
        limits = {"memory": memory_bytes, "pids": processes, "cpuacct": 0}
        directories = [_create_v1(mounts[name], name, limits[name]) for name in _V1_CONTROLLERS]
        if all(directories):
            return Group("v1", directories)
        for directory in filter(None, directories):
            _remove(directory)
    return None


def _mounts() -> dict[str, str]:
    """Mount points by controller name; "cgroup2" for the unified hierarchy."""
    found: dict[str, str] = {}
    with open("/proc/self/mounts") as file:
        for line in file:
            _, path, kind, options = line.split()[:4]
            if kind == "cgroup2":
                found["cgroup2"] = path
            elif kind == "cgroup":
                found.update({name: path for name in options.split(",") if name in _V1_CONTROLLERS})
    return found


def _own_path(controller: str) -> str:
    """The path of this process in a hierarchy ("" for the unified one)."""
    with open("/proc/self/cgroup") as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if controller in controllers.split(","):
                return path
    return "/"


def _parents(mount: str, own: str) -> list[str]:
    """Where a group may be made: in our own group first, so that its limits hold too, then above it."""
    parents = [mount]
    for name in own.strip("/").split("/"):
        parents.append(os.path.join(parents[-1], name).rstrip("/"))
    return [path for path in dict.fromkeys(reversed(parents)) if os.path.isdir(path)]


def _create_v1(mount: str, controller: str, limit: int) -> str:
    for parent in _parents(mount, _own_path(controller)):
        directory = _make(parent)
        try:
            for name in _V1_CONTROLLERS[controller] if directory else ():
                if os.path.exists(f"{directory}/{name}"):
                    _write(f"{directory}/{name}", str(limit))
        except OSError:
            _remove(directory)
            continue
        if directory:
            return directory
    return ""


def _create_v2(parent: str, memory_bytes: int, processes: int) -> str:
    if not os.access(f"{parent}/cgroup.procs", os.W_OK):
        return ""  # moving a process needs this file of the common ancestor
    directory = ""
    try:
        _delegate(parent)
        directory = _make(parent)
        if not directory:
            return ""
        _write(f"{directory}/memory.max", str(memory_bytes))
        _write(f"{directory}/pids.max", str(processes))
        if os.path.exists(f"{directory}/memory.swap.max"):
            _write(f"{directory}/memory.swap.max", "0")
    except OSError:
        _remove(directory)
        return ""
    return directory


def _delegate(parent: str) -> None:
    """Let children of `parent` have both controllers."""
    with open(f"{parent}/cgroup.subtree_control") as file:
        enabled = file.read().split()
    missing = [f"+{name}" for name in ("memory", "pids") if name not in enabled]
    if missing:
        _write(f"{parent}/cgroup.subtree_control", " ".join(missing))


def _make(parent: str) -> str:
    """A new directory named after this process, or "" when not allowed; removes those of dead supervisors."""
    namespace = os.stat("/proc/self/ns/pid").st_ino
    mine = f"{_PREFIX}-{namespace}-"
    try:
        for name in os.listdir(parent):
            owner = name.removeprefix(mine)
            if name.startswith(mine) and not os.path.exists(f"/proc/{owner}"):
                _remove(f"{parent}/{name}")
        directory = f"{parent}/{mine}{os.getpid()}"
        os.mkdir(directory)
    except OSError:
        return ""
    return directory


def _write(path: str, value: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _remove(directory: str) -> None:
    try:
        if directory:
            os.rmdir(directory)
    except OSError:
        pass  # still busy: the next supervisor in this hierarchy removes it
