"""A run of the toy target whose best can be served, and its export."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from played_run import Player

from toy.fixtures import MODEL, make_target
from vibeserve.core.run import create_run
from vibeserve.core.session import silent
from vibeserve.delivery.export.exporting import Exported, export
from vibeserve.lab.models import default_cache, folder_digest

SEEDS = [11, 12, 13, 14]
# Windows that come out equal at once, four hidden prompts, and repeated ones not looked at: the protocol in seconds.
BENCHMARK = """command = ["{python}", "-I", "{target}/benchmark/benchmark.py", "--url", "{url}", "--model", \
"{model}", "--seed", "{seed}", "--load", "{target}/benchmark/load_{preset}.json", "--out", "{out}"]"""
EQUAL = """command = ["{python}", "-I", "-c", "import json,sys; json.dump(dict(headline=dict(tokens_per_s=100)), \
open(sys.argv[1], 'w'))", "{out}"]"""
QUICK = ((BENCHMARK, EQUAL), ('reuse = "none"', 'reuse = "prefix"'), ("prompts = 12", "prompts = 4"))
Edit = Callable[[Path], None]


class SeededPlayer(Player):
    """Its measurements have seeds, as real ones do; its rounds can edit what the last one left."""

    def kept(self, title: str, edit: Edit) -> str:
        """A whole round that is kept and that changes the workspace by `edit`; returns its tree."""
        self.open(title)
        edit(self.run.layout.workspace)
        candidate = str(self.call("implementer", "submit_candidate")["candidate"])
        self.gate(candidate)
        said = {"verdict_id": f"V-{candidate}", "verdict": "pass", "feedback": "looked at it"}
        self._append("judge", "verdict.given", candidate, said)
        self.measure(candidate, 1.5)
        self.close("promote")
        return self.run.ledger.records("checkpoint.promoted")[-1].subject

    def _append(self, role: str, kind: str, candidate: str, body: dict[str, Any]) -> None:
        super()._append(role, kind, candidate, body | ({"seeds": SEEDS} if kind == "measurement.recorded" else {}))


def servable_run(folder: Path, *replacements: tuple[str, str]) -> SeededPlayer:
    """A run of the toy target with its real model, no round yet."""
    model = folder / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_text(json.dumps(MODEL))
    digest = folder_digest(model, default_cache())
    target = make_target(folder / "target", *replacements)
    return SeededPlayer(create_run(target, "tiny", model, digest, folder / "run"))


def promoted_run(
    folder: Path, *replacements: tuple[str, str], engine: str = "honest", ratio: float = 3.0
) -> SeededPlayer:
    """Two rounds that were kept: the second one's candidate can be served, and was measured once more."""
    player = servable_run(folder, *replacements)
    player.promoted("A first server", 1.5)
    best = player.promoted("Side by side", ratio, engine=engine)
    player.measure(best, ratio, "baseline", also={"TTFT": 0.4})
    return player


def exported(player: Player, out: Path) -> Exported:
    """The export of its best."""
    return export(player.run, out, silent)
