"""Tries to change its own checkout, the model and the system, and to read the target; then serves."""

import sys
from pathlib import Path

import honest
from toy_lm import ToyModel


class Engine(honest.Engine):
    def __init__(self, model: ToyModel) -> None:
        super().__init__(model)
        places = [
            Path(__file__).with_name("planted"),
            Path(sys.argv[sys.argv.index("--model") + 1]) / "planted",
        ]
        places += [Path("/usr/planted"), Path("/planted"), Path("/target/planted")]
        written = [str(place) for place in places if attempt(place)]
        names = ("score.py", "checker.py", "target.toml", "run.key", "fixtures.py")
        seen = [str(path) for name in names for path in Path("/").glob(f"[!ps]*/**/{name}")]
        print(f"written: {written}\nseen: {seen}", flush=True)
        if written or seen:
            sys.exit(9)


def attempt(place: Path) -> bool:
    try:
        place.write_text("planted")
    except OSError:
        return False
    return True
