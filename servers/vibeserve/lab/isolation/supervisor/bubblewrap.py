# ruff: noqa: PTH112, PTH114, PTH115
"""The arguments that bubblewrap gets."""

import os

from .plan import Plan, PlannedMount

INSIDE_ID = 1000  # what the sandbox sees as its own uid and gid, whoever it is outside

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/tmp",  # noqa: S108  (the sandbox's own tmpfs)
    "LANG": "C.UTF-8",
}

_NAMESPACES = ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"]
_HOST_ETC = ("/etc/ld.so.cache", "/etc/alternatives")
_OWN_ETC = {
    "/etc/passwd": f"sandbox:x:{INSIDE_ID}:{INSIDE_ID}::/tmp:/bin/sh\n",
    "/etc/group": f"sandbox:x:{INSIDE_ID}:\n",
    "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}


def arguments(plan: Plan, mounts: list[PlannedMount]) -> tuple[list[str], list[int]]:
    """(options, descriptors to inherit); the sources of `mounts` can be reached by the sandbox's uid."""
    files, descriptors = _own_files()
    options = [
        *_NAMESPACES,
        *([] if plan.network_holder else ["--unshare-net"]),
        *("--uid", str(INSIDE_ID), "--gid", str(INSIDE_ID), "--hostname", "sandbox"),
        *("--disable-userns", "--cap-drop", "ALL", "--die-with-parent", "--new-session", "--clearenv"),
        *_root_tree(),
        *files,
        *_private_tree(plan.tmp_bytes),
    ]
    for mount in mounts:
        options += ["--bind" if mount.writable else "--ro-bind", mount.source, mount.at]
    options += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", plan.cwd]
    for name, value in {**ENVIRONMENT, **plan.env}.items():
        options += ["--setenv", name, value]
    return options, descriptors


def _root_tree() -> list[str]:
    options = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = f"/{name}"
        if os.path.islink(path):
            options += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            options += ["--ro-bind", path, path]
    for path in _HOST_ETC:
        options += ["--ro-bind-try", path, path]
    return options


def _own_files() -> tuple[list[str], list[int]]:
    """Files of /etc written for the sandbox, so that nothing of the host's users shows."""
    options, descriptors = [], []
    for path, content in _OWN_ETC.items():
        fd = memory_file(content.encode())
        descriptors.append(fd)
        options += ["--perms", "0444", "--ro-bind-data", str(fd), path]
    return options, descriptors


def _private_tree(tmp_bytes: int) -> list[str]:
    size = str(tmp_bytes)
    return [
        *("--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"),
        *("--perms", "1777", "--size", size, "--tmpfs", "/dev/shm"),  # noqa: S108
        *("--perms", "1777", "--size", size, "--tmpfs", "/tmp"),  # noqa: S108
    ]


def memory_file(content: bytes) -> int:
    """An inheritable descriptor, at its start, of an anonymous file with this content."""
    fd = os.memfd_create("vibeserve")
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
