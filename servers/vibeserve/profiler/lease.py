"""One exclusive lease per device, so that two timed sections never share it."""

import contextlib
import fcntl
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from vibeserve.core.errors import InfrastructureFailed

POLL_S = 0.2


@contextlib.contextmanager
def device_lease(
    device: str,
    cancelled: threading.Event,
    progress: Callable[[str], None],
    folder: Path | None = None,
) -> Iterator[None]:
    """Hold the lease of `device` inside the context; waits while another process or thread holds it.

    The lease is an flock: the kernel gives it back when its holder dies, so it never has to be broken.
    Raises InfrastructureFailed when `cancelled` is set while waiting.
    """
    path = (folder or runtime_folder()) / f"{device}.lease"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        while not _taken(descriptor):
            progress(f"waiting for the device {device}, which another measurement holds")
            if cancelled.wait(POLL_S):
                raise InfrastructureFailed("The session ended while waiting for the device.", "Call again.")
        yield
    finally:
        os.close(descriptor)


def runtime_folder() -> Path:
    """The user's own runtime folder (mode 0700), the same for every run of that user on this machine."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(base) / "vibeserve" if base else Path(tempfile.gettempdir()) / f"vibeserve-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid():
        raise InfrastructureFailed(
            f"{folder} does not belong to this user, so nobody can be kept out of it.",
            "Set XDG_RUNTIME_DIR to a folder of your own.",
        )
    return folder


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
