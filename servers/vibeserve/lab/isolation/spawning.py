"""Starting a supervisor and reading what it reports."""

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from vibeserve.core.errors import BadRequest, InfrastructureFailed, VibeServeError

_EVIDENCE_BYTES = 4096
_REAP_TIMEOUT_S = 10
# The supervisor is loaded as a package of its own: importing vibeserve would triple its start.
_BOOT = "import sys; sys.path.insert(0, {folder!r}); from supervisor.{role} import main; main({caller})"


class Supervisor:
    """A process that lives as long as we hold its pipe. Thread-safe."""

    def __init__(self, role: str, request: bytes = b"") -> None:
        boot = _BOOT.format(folder=str(Path(__file__).parent), role=role, caller=os.getpid())
        self._process = _started([sys.executable, "-I", "-S", "-c", boot])
        self._buffer = bytearray()
        self._lock = threading.RLock()
        self.send(request)

    @property
    def pid(self) -> int:
        """The supervisor's own pid."""
        return self._process.pid

    def send(self, line: bytes) -> None:
        """Write to the supervisor; its death shows in `event`."""
        stdin = self._process.stdin
        with contextlib.suppress(BrokenPipeError, ValueError):
            if stdin and not stdin.closed:
                stdin.write(line)
                stdin.flush()

    def event(self, timeout_s: float) -> dict[str, Any] | None:
        """The next report; None without one in time. Raises if set-up failed or it died."""
        deadline = time.monotonic() + timeout_s
        with self._lock:
            stdout = self._process.stdout
            while b"\n" not in self._buffer:
                if stdout is None or stdout.closed:
                    raise InfrastructureFailed("The sandbox's supervisor is gone.", _RETRY)
                if not _readable(stdout.fileno(), deadline - time.monotonic()):
                    return None
                chunk = os.read(stdout.fileno(), 1 << 20)
                if not chunk:
                    raise self._died()
                self._buffer += chunk
            line, _, self._buffer = self._buffer.partition(b"\n")
        report: dict[str, Any] = json.loads(line)
        if report["event"] == "failed":
            self.end()
            raise explain(report["evidence"])
        return report

    def release(self) -> None:
        """Close our end of the pipe: the supervisor kills everything below it and ends."""
        with contextlib.suppress(BrokenPipeError):
            if self._process.stdin:
                self._process.stdin.close()

    def end(self) -> None:
        """Release, and wait until the supervisor is gone; it goes last."""
        self.release()
        try:
            self._process.wait(_REAP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with self._lock:  # whoever waits for an event has its answer now: the end of the pipe
            for pipe in (self._process.stdout, self._process.stderr):
                if pipe:
                    pipe.close()

    def _died(self) -> InfrastructureFailed:
        stderr = self._process.stderr
        evidence = os.read(stderr.fileno(), _EVIDENCE_BYTES).decode(errors="replace") if stderr else ""
        self.end()
        return InfrastructureFailed(
            "The sandbox's supervisor died.", _RETRY, evidence or f"exit status {self._process.returncode}"
        )


def _started(command: list[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={},
            cwd="/",
            start_new_session=True,  # the caller's Ctrl-C reaches the caller, who then ends it
        )
    except OSError as error:
        raise InfrastructureFailed(f"A sandbox's supervisor cannot be started: {error}.", _RETRY) from error


def _readable(fd: int, timeout_s: float) -> bool:
    poll = select.poll()  # unlike select(), also for descriptors above 1023
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(max(0.0, timeout_s) * 1000))


_RETRY = "Try again; `vibeserve doctor` says what this machine lacks."

_MACHINE_CAUSES = (
    (("killed by signal",), "The sandbox was killed from outside.", "Call again: this counts against nobody."),
    (("Unknown option",), "This bubblewrap is too old.", "Install bubblewrap 0.8 or newer."),
    (
        ("No permissions to create", "setting up uid map", "Creating new namespace failed"),
        "This machine does not let this user create user namespaces.",
        "Allow them: sysctl kernel.unprivileged_userns_clone=1 (Debian), "
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), or more rights for the container.",
    ),
    (
        ("unshare: ", "setgroups: ", "open_tree ", "mount_setattr: ", "mount --make-rprivate"),
        "This user may not set up namespaces or mounts on this machine.",
        "Allow user namespaces (Ubuntu: sysctl kernel.apparmor_restrict_unprivileged_userns=0), or give a "
        "container's root CAP_SYS_ADMIN; mounts need Linux 5.12 or newer.",
    ),
    (
        ("mount proc ", "Can't mount proc"),
        "This container hides parts of /proc, so no new one can be mounted.",
        "Start it with an unmasked /proc (Docker: --security-opt systempaths=unconfined).",
    ),
    # Last, because the kernel says the same of a namespace too many.
    (("No space left on device",), "A disk is full, so the sandbox could not go on.", "Free disk space, call again."),
)
_JOB_CAUSES = (
    ("Argument list too long", "The command is too long.", "Put its content into a file that is mounted."),
    ("Can't chdir", "The working directory does not exist in the sandbox.", "Mount it, or choose another."),
    ("Can't mkdir", "A mount point cannot be made.", "Mount at a path that is not below a read-only mount."),
    (
        "Can't create file",
        "A mount point cannot be made.",
        "Mount at a path that is not below a read-only mount.",
    ),
)


def explain(evidence: str) -> VibeServeError:
    """What bubblewrap or the supervisor said, as one sentence and the fix."""
    for sign, message, fix in _JOB_CAUSES:
        if sign in evidence:
            return BadRequest(f"{message} ({evidence.strip()[-300:]})", fix)
    for signs, message, fix in _MACHINE_CAUSES:
        if any(sign in evidence for sign in signs):
            return InfrastructureFailed(message, fix, evidence)
    return InfrastructureFailed(f"The sandbox could not be set up ({evidence.strip()[-300:]}).", _RETRY, evidence)
