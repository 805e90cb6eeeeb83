"""Run one job given as JSON on standard input, as whatever user this process is; print its outcome as JSON."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from vibeserve.core.errors import VibeServeError
from vibeserve.lab.isolation import Job, Limits, Mount, python_runtime, run


def main() -> None:
    asked = json.load(sys.stdin)
    job = Job(
        command=tuple(word.replace("{python}", sys.executable) for word in asked["command"]),
        mounts=(
            *python_runtime(),
            *(Mount(Path(source), at, writable) for source, at, writable in asked["mounts"]),
        ),
        limits=Limits(**asked["limits"]),
        env=asked["env"],
    )
    try:
        answer = asdict(run(job))
    except VibeServeError as error:
        answer = {"error": error.kind, "message": error.message, "next_step": error.next_step}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
