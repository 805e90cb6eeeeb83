# ruff: noqa: PTH116, PTH123
"""The namespaces around bubblewrap.

Bubblewrap has a pid namespace of its own inside one of ours, whose first process is bubblewrap itself,
started with a parent-death signal that nothing clears. Bubblewrap's own `--die-with-parent` leaves a
window at its start in which a killed parent goes unnoticed.
"""

import os
import select

from . import syscalls


def enter(network_holder: int | None, *, root: bool) -> None:
    """Join the holder's network, and let the next fork be the first process of a new pid namespace.

    An ordinary user gets a user namespace first; in it the sandbox's processes are counted apart from
    all others of that user.
    """
    if network_holder is not None:
        for kind in ("net",) if root else ("user", "net"):
            fd = os.open(f"/proc/{network_holder}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
            if os.path.samestat(os.fstat(fd), os.stat(f"/proc/self/ns/{kind}")):
                raise OSError("the holder has no namespaces of its own")
            syscalls.setns(fd)
            os.close(fd)
    if not root:
        enter_user_namespace()
    syscalls.unshare(syscalls.CLONE_NEWPID)


def enter_user_namespace(more: int = 0) -> None:
    """Enter a new user namespace in which we keep our ids, and new namespaces of the kinds in `more`."""
    uid, gid = os.geteuid(), os.getegid()
    syscalls.unshare(syscalls.CLONE_NEWUSER | more)
    maps = {"setgroups": "deny", "uid_map": f"{uid} {uid} 1", "gid_map": f"{gid} {gid} 1"}
    for name, content in maps.items():
        with open(f"/proc/self/{name}", "w") as file:
            file.write(content)


def mount_own_proc() -> None:
    """Show this process its own pid namespace in /proc, in a mount namespace of its own."""
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.make_mounts_private()
    syscalls.mount("proc", "/proc")


def die_with_parent(alive: int) -> None:
    """Be killed when the parent dies; at once if it already has, which shows in the pipe `alive` it holds."""
    syscalls.set_parent_death_signal()
    if select.select([alive], [], [], 0)[0]:
        os._exit(125)
