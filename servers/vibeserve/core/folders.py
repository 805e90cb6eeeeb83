"""Removing folders that hostile or hasty programs filled."""

import os
import shutil
import stat
from pathlib import Path


def remove_folder(folder: Path) -> None:
    """Remove a folder and all it holds, also what was made unwritable; links are never followed."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except PermissionError:
        make_writable(folder)
        for inner, names, _ in os.walk(folder):
            for name in names:
                make_writable(Path(inner, name))
        shutil.rmtree(folder)


def make_writable(folder: Path) -> None:
    """Let its owner read, enter and change a folder; whatever else stands there, a link above all, stays as it is."""
    # O_PATH needs no permission on the folder itself, and what it holds on to cannot be swapped.
    handle = os.open(folder, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            Path(f"/proc/self/fd/{handle}").chmod(0o700)
    finally:
        os.close(handle)
