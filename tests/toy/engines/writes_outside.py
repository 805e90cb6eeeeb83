"""Tries to change its own checkout, the model and the system, and to read the target; then serves."""

import os
import sys
from pathlib import Path

import honest
from toy_lm import ToyModel

HIDDEN = ("build_tiny.py", "target.toml", "OBJECTIVE.md", "run.key", "memory.md")
UNINTERESTING = ("proc", "sys", "usr", "lib", "include", "share")


class Engine(honest.Engine):
    def __init__(self, model: ToyModel) -> None:
        super().__init__(model)
        places = [
            Path(__file__).with_name("planted"),
            Path(sys.argv[sys.argv.index("--model") + 1]) / "planted",
        ]
        places += [Path("/usr/planted"), Path("/planted"), Path("/target/planted")]
        written = [str(place) for place in places if attempt(place)]
        seen = hidden_files()
        print(f"written: {written}\nseen: {seen}", flush=True)
        if written or seen:
            sys.exit(9)


def attempt(place: Path) -> bool:
    try:
        place.write_text("planted")
    except OSError:
        return False
    return True


def hidden_files() -> list[str]:
    """Files of the target or of the run that can be seen."""
    seen = []
    for folder, inner, names in os.walk("/"):
        inner[:] = [name for name in inner if name not in UNINTERESTING]
        seen += [f"{folder}/{name}" for name in names if name in HIDDEN]
    return seen
