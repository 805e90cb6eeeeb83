# ruff: noqa: PTH102, PTH116, PTH123
"""Mounts prepared by root, so that an unprivileged uid can bind them.

The interpreter may lie below a 0700 home and the workspace belongs to root, so a sandbox uid could
neither reach the one nor write the other. In a mount namespace of the supervisor's own, each source is
cloned to `/tmp/N` of a private tmpfs, *id-mapped*: the owner of the source appears as the sandbox's uid,
and what the sandbox creates belongs to that owner on disk. Seccomp forbids set-user-id bits, so this
never makes a privileged program.
"""

import os
import signal
import stat

from . import syscalls
from .plan import PlannedMount

STAGE = "/tmp"  # noqa: S108  (a private tmpfs over it; bubblewrap binds from there)


def stage(mounts: list[PlannedMount], uid: int) -> list[PlannedMount]:
    """The same mounts with sources that `uid` can reach. Must run as root; changes the mount namespace."""
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.make_mounts_private()
    mappings: dict[int, int] = {}
    trees = [(_cloned(mount, uid, mappings), os.stat(mount.source).st_mode) for mount in mounts]
    syscalls.mount("tmpfs", STAGE, "mode=0711,size=1m")
    staged = []
    for number, (mount, (tree, mode)) in enumerate(zip(mounts, trees, strict=True)):
        path = f"{STAGE}/{number}"
        if stat.S_ISDIR(mode):
            os.mkdir(path)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
        syscalls.attach_tree(tree, path)
        os.close(tree)
        staged.append(mount._replace(source=path))
    for mapping in mappings.values():
        os.close(mapping)
    return staged


def _cloned(mount: PlannedMount, uid: int, mappings: dict[int, int]) -> int:
    """A detached, id-mapped copy of the mount; where its file system cannot, files keep their owners."""
    tree = syscalls.clone_tree(mount.source)
    attributes = syscalls.MOUNT_NOSUID | syscalls.MOUNT_NODEV
    syscalls.set_tree_attributes(tree, attributes | (0 if mount.writable else syscalls.MOUNT_RDONLY))
    owner = os.stat(mount.source).st_uid
    if owner not in mappings:
        mappings[owner] = _user_namespace(owner, uid)
    try:
        syscalls.set_tree_attributes(tree, syscalls.MOUNT_IDMAP, mappings[owner])
    except OSError:
        if mount.writable:
            give_to(mount.source, uid)
    return tree


def give_to(top: str, uid: int) -> None:
    """Hand a directory and all below it to `uid`: for file systems without id-mapped mounts.

    Of several sandboxes that write to one such directory at a time, the last to start owns what was there.
    """
    os.chown(top, uid, uid, follow_symlinks=False)
    for _, directories, files, at in os.fwalk(top, follow_symlinks=False):
        for name in directories + files:
            os.chown(name, uid, uid, dir_fd=at, follow_symlinks=False)


def _user_namespace(owner: int, uid: int) -> int:
    """A descriptor of a user namespace that maps `owner` to `uid` and leaves other ids alone."""
    ready, release = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            syscalls.unshare(syscalls.CLONE_NEWUSER)
            os.write(ready[1], b"1")
            os.close(release[1])
            os.read(release[0], 1)
        finally:
            os._exit(0)
    os.close(ready[1])
    try:
        os.read(ready[0], 1)
        for kind in ("uid_map", "gid_map"):
            with open(f"/proc/{child}/{kind}", "w") as file:
                file.write(_mapping(owner, uid))
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for fd in (ready[0], *release):
            os.close(fd)


def _mapping(owner: int, uid: int) -> str:
    """Lines of a uid_map: `owner` becomes `uid`, `uid` itself has no entry, every other id stays."""
    lines = [(owner, uid, 1)]
    edges = sorted({owner, uid})
    start = 0
    for edge in [*edges, 2**32 - 1]:
        if edge > start:
            lines.append((start, start, edge - start))
        start = edge + 1
    return "\n".join(" ".join(map(str, line)) for line in lines)
