"""A seccomp filter (classic BPF, seccomp(2)) for what no candidate needs and an attacker does.

Denied: other architectures and x32; tracing and reading other processes; io_uring, bpf, perf, userfaultfd,
keys; mounts and namespaces; modules, clock and reboot; every socket family but unix and IP;
set-user-id and set-group-id bits on files (`staging` maps the sandbox's files to their owner outside).
"""

import errno
import os
import struct

from .syscall_numbers import TABLES

_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _EQUAL, _GREATER_EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_X32_BIT = 0x40000000
_CLONE_NEWUSER = 0x10000000
_SET_ID_BITS = 0o6000
_CREATES = 0o100 | 0o20000000  # O_CREAT, __O_TMPFILE
_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6

_DENIED = (  # noqa: SIM905
    "ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd process_madvise "
    "io_uring_setup io_uring_enter io_uring_register bpf perf_event_open userfaultfd "
    "keyctl add_key request_key mount umount2 pivot_root move_mount open_tree fsopen fsconfig fsmount fspick "
    "mount_setattr unshare setns chroot open_by_handle_at name_to_handle_at fanotify_init "
    "init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff acct "
    "settimeofday clock_settime adjtimex clock_adjtime syslog quotactl vhangup iopl ioperm"
).split()
_UNKNOWN = ("clone3", "openat2", "fchmodat2")  # ENOSYS: libc then uses the older call, which is checked
# Where each call carries a file mode, and its open flags if it has any.
_MODES = {
    "chmod": (1, None),
    "fchmod": (1, None),
    "fchmodat": (2, None),
    "creat": (1, None),
    "mknod": (1, None),
    "mknodat": (2, None),
    "open": (2, 1),
    "openat": (3, 2),
}


def program(machine: str = "") -> bytes:
    """The filter for a machine (default: this one), as `struct sock_filter` records."""
    machine = machine or os.uname().machine
    if machine not in TABLES:
        raise OSError(errno.ENOTSUP, f"no system call table for {machine}")
    arch, numbers = TABLES[machine]
    code = [_load(_ARCH_AT), _jump(_EQUAL, arch, 1, 0), _return(_KILL), _load(_NUMBER_AT)]
    if machine == "x86_64":
        code += [_jump(_GREATER_EQUAL, _X32_BIT, 0, 1), _deny(errno.EPERM)]
    for names, code_returned in ((_DENIED, errno.EPERM), (_UNKNOWN, errno.ENOSYS)):
        for name in names:
            if name in numbers:
                code += _on(numbers[name], [_deny(code_returned)])
    code += _on(numbers["clone"], _deny_if_any_bit(0, _CLONE_NEWUSER))
    code += _on(numbers["socket"], _allow_families())
    for name, (mode, flags) in _MODES.items():
        if name in numbers:
            code += _on(numbers[name], _deny_set_id(mode, flags))
    return b"".join([*code, _return(_ALLOW)])


def _instruction(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", operation, if_true, if_false, value)


def _load(offset: int) -> bytes:
    return _instruction(_LOAD, offset)


def _argument(index: int) -> bytes:
    """Load the low half of an argument (little-endian machines only are in TABLES)."""
    return _load(_ARGUMENTS_AT + 8 * index)


def _jump(operation: int, value: int, if_true: int, if_false: int) -> bytes:
    return _instruction(operation, value, if_true, if_false)


def _return(value: int) -> bytes:
    return _instruction(_RETURN, value)


def _deny(number: int) -> bytes:
    return _return(_ERRNO | number)


def _on(number: int, body: list[bytes]) -> list[bytes]:
    """`body` for one system call; it must return on every path."""
    return [_jump(_EQUAL, number, 0, len(body)), *body]


def _deny_if_any_bit(argument: int, bits: int) -> list[bytes]:
    return [_argument(argument), _jump(_ANY_BIT, bits, 0, 1), _deny(errno.EPERM), _return(_ALLOW)]


def _allow_families() -> list[bytes]:
    steps = [_argument(0)]
    for left, family in zip(range(len(_FAMILIES), 0, -1), _FAMILIES, strict=True):
        steps.append(_jump(_EQUAL, family, left, 0))
    return [*steps, _deny(errno.EAFNOSUPPORT), _return(_ALLOW)]


def _deny_set_id(mode: int, flags: int | None) -> list[bytes]:
    check = _deny_if_any_bit(mode, _SET_ID_BITS)
    if flags is None:
        return check
    # Without a creating flag the mode argument is not read by the kernel and may hold anything.
    return [_argument(flags), _jump(_ANY_BIT, _CREATES, 1, 0), _return(_ALLOW), *check]
