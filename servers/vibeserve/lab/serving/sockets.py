"""Who listens on a port of a private network, read from the host's /proc."""

import os
from typing import NamedTuple

_LISTEN = "0A"


class Listener(NamedTuple):
    """A listening TCP socket: its address as the kernel writes it, and its inode."""

    address: str
    inode: int


def listeners(holder_pid: int, port: int) -> list[Listener]:
    """All TCP sockets, of either family and on any address, that listen on `port` in the holder's network."""
    return [*_listeners(holder_pid, port, "tcp"), *_listeners(holder_pid, port, "tcp6")]


def _listeners(holder_pid: int, port: int, table: str) -> list[Listener]:
    found = []
    try:
        with open(f"/proc/{holder_pid}/net/{table}") as file:
            rows = [line.split() for line in file][1:]
    except FileNotFoundError:
        return []  # a kernel without IPv6
    for row in rows:
        address, _, hexadecimal_port = row[1].rpartition(":")
        if row[3] == _LISTEN and int(hexadecimal_port, 16) == port:
            found.append(Listener(address, int(row[9])))
    return found


def socket_inodes(pids: list[int]) -> set[int]:
    """Inodes of the sockets that these processes hold."""
    inodes = set()
    for pid in pids:
        for target in _descriptors(pid):
            if target.startswith("socket:["):
                inodes.add(int(target[8:-1]))
    return inodes


def _descriptors(pid: int) -> list[str]:
    folder = f"/proc/{pid}/fd"
    targets = []
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []  # gone, or bubblewrap itself
    for name in names:
        try:
            targets.append(os.readlink(f"{folder}/{name}"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return targets
