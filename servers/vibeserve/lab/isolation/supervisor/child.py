"""Starting bubblewrap: what happens between fork and exec."""

import os
import resource
from typing import NamedTuple

from . import bubblewrap, cgroups, seccomp, staging, syscalls, uids
from .plan import Plan

OWN_PROCESSES = 2  # bubblewrap outside and inside the sandbox
_STDERR = 2


class Child(NamedTuple):
    """A bubblewrap that waits to be released; every descriptor is ours to close."""

    pid: int
    status: int  # JSON lines of bubblewrap: the sandbox's first pid, later its exit code
    release: int  # closing it starts the command
    stdout: int
    stderr: int | None  # None: the same pipe as stdout


def start(plan: Plan, uid: int | None, group: cgroups.Group | None) -> Child:
    """Prepare everything that may fail, then fork. `uid`: drop to it (the caller is root)."""
    namespaces = _network_namespaces(plan.network_holder, with_user=uid is None)
    mounts = staging.stage(plan.mounts, uid) if uid is not None else plan.mounts
    options, inherited = bubblewrap.arguments(plan, mounts)
    filter_fd = bubblewrap.memory_file(seccomp.program())
    status, release, stdout = os.pipe(), os.pipe(), os.pipe()
    stderr = None if plan.log_path else os.pipe()
    options += [
        "--seccomp",
        str(filter_fd),
        "--json-status-fd",
        str(status[1]),
        "--block-fd",
        str(release[0]),
    ]
    options_fd = bubblewrap.memory_file(b"".join(os.fsencode(option) + b"\0" for option in options))
    argv = [plan.bwrap, "--args", str(options_fd), "--", *plan.command]
    inherited += [filter_fd, options_fd, status[1], release[0]]
    supervisor = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            _redirect(stdout[1], stderr[1] if stderr else stdout[1])
            if group:
                group.join()
            _enter(namespaces)
            _limit(plan)
            if uid is not None:
                _lower(resource.RLIMIT_NPROC, plan.processes + OWN_PROCESSES)  # counts per uid: its own
                uids.drop_to(uid)
            syscalls.die_with_parent(supervisor)
            for fd in inherited:
                os.set_inheritable(fd, True)
            os.execve(plan.bwrap, argv, {})  # noqa: S606
        except BaseException as error:
            os.write(_STDERR, f"sandbox setup: {error}\n".encode())
        finally:
            os._exit(125)
    for fd in (*inherited, *namespaces, stdout[1], *([stderr[1]] if stderr else [])):
        os.close(fd)
    return Child(pid, status[0], release[1], stdout[0], stderr[0] if stderr else None)


def _network_namespaces(holder: int | None, *, with_user: bool) -> list[int]:
    """Descriptors of the namespaces to enter. Root needs only the network's: its holder made no user's."""
    if holder is None:
        return []
    kinds = ("user", "net") if with_user else ("net",)
    return [os.open(f"/proc/{holder}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in kinds]


def _redirect(stdout: int, stderr: int) -> None:
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    for number, fd in enumerate((null, stdout, stderr)):
        os.dup2(fd, number, inheritable=True)


def _enter(namespaces: list[int]) -> None:
    for fd in namespaces:
        syscalls.setns(fd)


def _limit(plan: Plan) -> None:
    """Limits per process; an ordinary user's sandbox gets the number of processes later, in `watch`."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_FSIZE, plan.file_bytes)
    _lower(resource.RLIMIT_NOFILE, plan.open_files)
    if plan.cpu_s is not None:
        _lower(resource.RLIMIT_CPU, plan.cpu_s + 1)


def _lower(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    wanted = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (wanted, wanted))
