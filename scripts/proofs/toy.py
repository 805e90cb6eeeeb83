"""The toy target of the tests, for proofs that need no torch."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from toy.fixtures import MODEL, make_target
from toy.kills import CANDIDATE, servers_of
from toy.recorded import write_recording
from vibeserve.core.run import Run, create_run
from vibeserve.lab.models import default_cache, folder_digest

__all__ = ["CANDIDATE", "recorded_toy_target", "servers_of", "toy_run"]


def toy_run(folder: Path) -> Run:
    """A fresh run of the toy target under `folder`."""
    model = folder / "model"
    model.mkdir()
    (model / "config.json").write_text(json.dumps(MODEL))
    digest = folder_digest(model, default_cache())
    return create_run(make_target(folder / "target"), "tiny", model, digest, folder / "run")


def recorded_toy_target(folder: Path) -> Path:
    """The toy target with a recorded run of its `tiny` preset."""
    target = make_target(folder / "target")
    write_recording(target / "recorded" / "tiny")
    return target
