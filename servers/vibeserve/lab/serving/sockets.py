"""Who listens on a port of a private network, read from the host's /proc."""

from pathlib import Path
from typing import NamedTuple

_LISTEN = "0A"  # TCP_LISTEN, as proc(5) writes the state


class Listener(NamedTuple):
    """A listening TCP socket: its address as the kernel writes it (hexadecimal), and its inode."""

    address: str
    inode: int


def listeners(holder_pid: int, port: int) -> list[Listener]:
    """All TCP sockets, of either family and on any address, that listen on `port` in the holder's network."""
    found = []
    for table in ("tcp", "tcp6"):
        path = Path(f"/proc/{holder_pid}/net/{table}")
        rows = path.read_text().splitlines()[1:] if path.exists() else []
        for row in rows:
            _, local, _, state, *rest = row.split()
            address, _, hexadecimal_port = local.rpartition(":")
            if state == _LISTEN and int(hexadecimal_port, 16) == port:
                found.append(Listener(address, int(rest[5])))
    return found


def socket_inodes(pids: list[int]) -> set[int]:
    """Inodes of the sockets that these processes hold."""
    targets = [target for pid in pids for target in _descriptors(pid)]
    return {int(target[8:-1]) for target in targets if target.startswith("socket:[")}


def _descriptors(pid: int) -> list[str]:
    targets = []
    try:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            targets.append(str(descriptor.readlink()))
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        pass  # it ended, or is bubblewrap itself; what was read before counts
    return targets
