"""Starting bubblewrap: what happens between fork and exec."""

import os
import resource
import signal
from typing import NamedTuple

from . import bubblewrap, cgroups, namespaces, seccomp, staging, uids
from .plan import Plan

OWN_PROCESSES = 2  # bubblewrap, outside and inside the sandbox
_STDERR = 2


class Child(NamedTuple):
    """A started bubblewrap and our ends of its pipes."""

    pid: int
    alive: int  # held open for as long as the sandbox may live
    status: int  # JSON lines of bubblewrap: that the sandbox is made, later its exit code
    stdout: int
    stderr: int | None  # None: the same pipe as stdout


def start(plan: Plan, uid: int | None, group: cgroups.Group | None) -> Child:
    """Prepare everything that may fail, then fork. `uid`: drop to it (the caller is root)."""
    mounts = staging.stage(plan.mounts, uid) if uid is not None else plan.mounts
    options, inherited = bubblewrap.arguments(plan, mounts)
    alive, status, stdout = os.pipe(), os.pipe(), os.pipe()
    stderr = None if plan.log_path else os.pipe()
    filter_fd = bubblewrap.memory_file(seccomp.program())
    options += ["--seccomp", str(filter_fd), "--json-status-fd", str(status[1])]
    options_fd = bubblewrap.memory_file(b"".join(os.fsencode(option) + b"\0" for option in options))
    inherited += [filter_fd, options_fd, status[1]]
    namespaces.enter(plan.network_holder, root=uid is not None)
    pid = os.fork()
    if pid == 0:
        try:
            os.close(alive[1])
            _inherit_nothing(stdout[1], (stderr or stdout)[1])
            _confine(plan, uid, group)
            namespaces.die_with_parent(alive[0])
            for fd in inherited:
                os.set_inheritable(fd, True)
            os.execve(plan.bwrap, [plan.bwrap, "--args", str(options_fd), "--", *plan.command], {})  # noqa: S606
        except BaseException as error:
            os.write(_STDERR, f"sandbox setup: {error}\n".encode())
        finally:
            os._exit(125)
    for fd in (*inherited, alive[0], stdout[1], *(stderr or ())[1:]):
        os.close(fd)
    return Child(pid, alive[1], status[0], stdout[0], stderr[0] if stderr else None)


def _inherit_nothing(stdout: int, stderr: int) -> None:
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, which exec would pass on
        signal.signal(ignored, signal.SIG_DFL)
    os.umask(0o022)
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    for number, fd in enumerate((null, stdout, stderr)):
        os.dup2(fd, number, inheritable=True)


def _confine(plan: Plan, uid: int | None, group: cgroups.Group | None) -> None:
    namespaces.mount_own_proc()
    if group:
        group.join()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_FSIZE, plan.file_bytes)
    _lower(resource.RLIMIT_NOFILE, plan.open_files)
    # Counted per uid and user namespace; one of the two is the sandbox's own.
    _lower(resource.RLIMIT_NPROC, plan.processes + OWN_PROCESSES)
    if plan.cpu_s is not None:
        _lower(resource.RLIMIT_CPU, plan.cpu_s + 1)
    if uid is not None:
        uids.drop_to(uid)


def _lower(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    wanted = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (wanted, wanted))
