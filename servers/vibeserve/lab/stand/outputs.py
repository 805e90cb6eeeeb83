"""What judges write is read as data that may be anything."""

import json
import os
import stat
from pathlib import Path
from typing import Any

MAX_OUTPUT_BYTES = 64 << 20


def read_output(path: Path) -> bytes | None:
    """What a judge wrote, or None when it is no regular file of acceptable size; links are not followed."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_OUTPUT_BYTES:
        os.close(handle)
        return None
    with os.fdopen(handle, "rb") as file:
        return file.read()


def read_document(path: Path) -> Any:
    """The JSON document that a judge wrote, or None where there is no such thing."""
    written = read_output(path)
    try:
        return json.loads(written) if written is not None else None
    except (ValueError, RecursionError):
        return None


def look_up(document: Any, path: str) -> Any:
    """The value at a dotted path, None where there is none. Whole numbers index lists."""
    for part in path.split("."):
        if isinstance(document, dict):
            document = document.get(part)
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document


def holder_of(document: Any, path: str) -> dict[str, Any]:
    """The object that holds the last name of a dotted path; empty where there is none."""
    parent = look_up(document, path.rpartition(".")[0]) if "." in path else document
    return parent if isinstance(parent, dict) else {}
