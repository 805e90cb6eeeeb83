"""The few Linux system calls that Python 3.11 does not wrap."""

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

_PR_SET_PDEATHSIG = 1
_MS_REC, _MS_PRIVATE, _MS_NOSUID, _MS_NODEV = 1 << 14, 1 << 18, 2, 4
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442  # the same on every architecture
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 4
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
MOUNT_RDONLY, MOUNT_NOSUID, MOUNT_NODEV, MOUNT_IDMAP = 1, 2, 4, 0x00100000

_libc = ctypes.CDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def _checked(result: int, what: str) -> int:
    if result < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"{what}: {os.strerror(errno)}")
    return result


def unshare(flags: int) -> None:
    """Leave the caller's namespaces of the kinds in `flags`."""
    _checked(_libc.unshare(flags), "unshare")


def setns(fd: int) -> None:
    """Enter the namespace that `fd` refers to."""
    _checked(_libc.setns(fd, 0), "setns")


def set_parent_death_signal() -> None:
    """Be killed when the parent dies from now on."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0), "prctl")


def make_mounts_private() -> None:
    """Let nothing mounted here from now on show in another mount namespace."""
    _checked(_libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "mount --make-rprivate /")


def mount(kind: str, path: str, options: str = "") -> None:
    """Mount a new file system of this kind over `path`."""
    flags = _MS_NOSUID | _MS_NODEV
    result = _libc.mount(kind.encode(), os.fsencode(path), kind.encode(), flags, options.encode())
    _checked(result, f"mount {kind} on {path}")


def clone_tree(path: str) -> int:
    """A file descriptor of a detached copy of the mounts at and below `path`."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_RECURSIVE
    return _checked(_libc.syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags), f"open_tree {path}")


def set_tree_attributes(tree: int, attributes: int, userns_fd: int = 0) -> None:
    """Set MOUNT_* attributes on every mount of a detached tree."""
    wanted = _MountAttributes(set=attributes, userns_fd=userns_fd)
    flags = _AT_EMPTY_PATH | _AT_RECURSIVE
    size = ctypes.sizeof(wanted)
    _checked(_libc.syscall(_MOUNT_SETATTR, tree, b"", flags, ctypes.byref(wanted), size), "mount_setattr")


def attach_tree(tree: int, path: str) -> None:
    """Mount a detached tree at `path`."""
    result = _libc.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(path), _MOVE_MOUNT_F_EMPTY_PATH)
    _checked(result, f"move_mount {path}")
