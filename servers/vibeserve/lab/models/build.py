"""A model built by its target's own command, once."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.core.locks import exclusive
from vibeserve.core.target import Command, digest_folder, fill
from vibeserve.lab.models.digest import Progress, model_files

BUILD_TIMEOUT_S = 900.0
REPORT_EVERY_S = 1.0
LOG_TAIL_BYTES = 2000


def build_model(folder: Path, command: Command, cache: Path, progress: Progress) -> Path:
    """The model that `command` of the target in `folder` builds: from the cache, or built now.

    Its key covers the command and the files of `reference/`. It is built aside and renamed into place, so a
    model that is there is whole; of two processes one builds and the other waits.
    """
    source = folder / "reference" if (folder / "reference").is_dir() else folder
    key = hashlib.sha256(json.dumps([command, digest_folder(source)]).encode()).hexdigest()[:24]
    built = cache / "built" / key
    if built.is_dir():
        return built
    built.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(built.with_name(f"{key}.lock")):
        if not built.is_dir():
            _build(folder, command, built, progress)
    return built


def _build(folder: Path, command: Command, built: Path, progress: Progress) -> None:
    draft = Path(tempfile.mkdtemp(dir=built.parent, prefix=f".{built.name}-"))
    try:
        out = draft / "model"
        values = {"python": sys.executable, "target": folder, "out": out}
        _run_command(fill(command, values), draft, progress)
        if not out.is_dir() or not model_files(out):
            raise _failed("it wrote no model to {out}")
        out.rename(built)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _run_command(command: tuple[str, ...], draft: Path, progress: Progress) -> None:
    """Run the target's own build command; it is the user's code and runs as the user."""
    log = draft / "log"
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                command,
                cwd=draft,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except OSError as error:
            raise _failed(f"it could not be started: {error}") from error
        try:
            status = _await(process, progress)
        finally:
            _kill_group(process)
    if status != 0:
        reason = "it did not end in time" if status is None else f"it ended with status {status}"
        raise _failed(reason, log.read_bytes()[-LOG_TAIL_BYTES:].decode("utf-8", "replace"))


def _await(process: "subprocess.Popen[bytes]", progress: Progress) -> int | None:
    """The exit status, or None when the time is over."""
    waited_s = 0.0
    while waited_s < BUILD_TIMEOUT_S:
        progress(f"building the model ({waited_s:.0f} s)")
        try:
            return process.wait(REPORT_EVERY_S)
        except subprocess.TimeoutExpired:
            waited_s += REPORT_EVERY_S
    return None


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _failed(reason: str, log_tail: str = "") -> InfrastructureFailed:
    return InfrastructureFailed(
        f"The target's build command failed: {reason}.",
        "Run the preset's build command by hand, correct it, and call again.",
        evidence=log_tail,
    )
