"""Main of the process that holds a private network: loopback only, shared by the sandboxes that join it."""

import fcntl
import json
import os
import select
import socket
import struct
import time

from . import namespaces, plan, syscalls, uids
from .watch import report

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_RESPONSE_MAX_BYTES = 4096
_CALLER_POLL_S = 1.0  # a dead caller shows at once in the pipe, unless a fork of it holds it open


def main(caller: int) -> None:
    """Make the network, report "started", answer probes until the caller closes the pipe or dies."""
    try:
        _enter_private_network()
    except OSError as error:
        report({"event": "failed", "evidence": f"{error}"})
        return
    report({"event": "started", "pid": os.getpid()})
    while os.getppid() == caller:
        if not select.select([0], [], [], _CALLER_POLL_S)[0]:
            continue
        line = plan.read_line(0)
        if not line:
            break
        request = json.loads(line)
        status = probe(request["port"], request["path"], request["timeout_s"])
        report({"event": "probed", "http_status": status})


def _enter_private_network() -> None:
    if os.geteuid() == 0:
        uid, _lock = uids.allocate()
        syscalls.unshare(syscalls.CLONE_NEWNET)
        _raise_loopback()
        uids.drop_to(uid)
        return
    namespaces.enter_user_namespace(syscalls.CLONE_NEWNET)
    _raise_loopback()


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def probe(port: int, path: str, timeout_s: float) -> int | None:
    """The HTTP status that GET http://127.0.0.1:port/path answers; None when there is no answer in time.

    The server is hostile: little is read, and nothing but the status line is looked at.
    """
    deadline = time.monotonic() + timeout_s
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
    response = bytearray()
    try:
        # Not create_connection: it imports a codec, which may lie where our uid can no longer read.
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(("127.0.0.1", port))
            connection.sendall(request)
            while b"\r\n" not in response and len(response) < _RESPONSE_MAX_BYTES:
                left_s = deadline - time.monotonic()
                readable, _, _ = select.select([connection.fileno(), 0], [], [], max(left_s, 0))
                if connection.fileno() not in readable:
                    return None  # too late, or the caller is gone
                chunk = connection.recv(_RESPONSE_MAX_BYTES)
                if not chunk:
                    break
                response += chunk
    except OSError:
        return None
    return _status(bytes(response))


def _status(response: bytes) -> int | None:
    words = response.split(b"\r\n", 1)[0].split(b" ")
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        return None
    return int(words[1][:3])
