"""An unprivileged uid of its own for each sandbox that root starts.

A slot is taken by a POSIX lock on one byte of a shared file: race-free between processes, and given
back by the kernel when its holder dies. Processes started under a slot die with its holder.
"""

import errno
import fcntl
import os

LOCKS = "/run/vibeserve-uids.lock"
# Above the ranges that distributions give to users, containers and dynamic services.
FIRST_UID = 2_000_000_000
SLOTS = 65536


def allocate() -> tuple[int, int]:
    """(uid, file descriptor of the lock). The slot is held while this process keeps the descriptor."""
    fd = os.open(LOCKS, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    start = int.from_bytes(os.urandom(4)) % SLOTS  # spreads contention
    for offset in range(SLOTS):
        slot = (start + offset) % SLOTS
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                continue
            raise
        return FIRST_UID + slot, fd
    raise OSError(errno.EAGAIN, "every sandbox uid is in use")


def drop_to(uid: int) -> None:
    """Become `uid` for good, with no group but its own."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
