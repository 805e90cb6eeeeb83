"""A folder of one job that is gone with it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from vibeserve.core.folders import remove_folder
from vibeserve.core.run import Run


@contextlib.contextmanager
def scratch_folder(run: Run, label: str) -> Iterator[Path]:
    """A new empty folder of the run; removed whatever happens, and whatever was made unwritable in it."""
    folder = run.scratch(label)
    try:
        yield folder
    finally:
        remove_folder(folder)
