"""Rounds played through the real checkpoints, with gates and measurements as the servers would record them."""

import json
import random
from pathlib import Path
from typing import Any

from toy.fixtures import MODEL, candidate_tree, make_target
from vibeserve.checkpoints.server import box
from vibeserve.core.evidence import GATE_KINDS, candidate_record
from vibeserve.core.roles import Actor, Role
from vibeserve.core.run import Run, create_run
from vibeserve.core.session import Session
from vibeserve.issues.server import box as issues_box
from vibeserve.lab.load import compare
from vibeserve.lab.load.statistics import Direction
from vibeserve.lab.models import folder_digest
from vibeserve.profiler.environment import environment

TOOLS = {tool.name: tool for tool in [*box.tools, *issues_box.tools]}
PAIRS = 4
STRONG = """
[baselines.static-batch]
title = "Static batches"
strong = true
command = ["{python}", "{target}/reference/serve.py", "--port", "{port}", "--model", "{model}", "--dtype", "{dtype}"]

[presets.tiny]
"""


def new_run(folder: Path, *replacements: tuple[str, str]) -> Run:
    """A run of the toy target with a strong baseline, with (old, new) replacements in its target.toml."""
    model = folder / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_text(json.dumps(MODEL))
    target = make_target(folder / "target", ("[presets.tiny]\n", STRONG), *replacements)
    return create_run(target, "tiny", model, folder_digest(model, folder / "cache"), folder / "run")


class Player:
    """All roles of a run. `machine` is the environment that measurements are recorded with."""

    def __init__(self, run: Run, seed: int = 7) -> None:
        self.run = run
        self.machine: dict[str, Any] = dict(environment())
        self.direction: Direction = "higher"
        self._random = random.Random(seed)

    def actor(self, role: str) -> Actor:
        return Actor(Role(role), f"S-{role}", client="test")

    def call(self, role: str, tool: str, /, **arguments: Any) -> dict[str, Any]:
        session = Session(self.run, self.actor(role))
        try:
            return TOOLS[tool].call(session, arguments)
        finally:
            session.close()

    def open(self, title: str, hypothesis: str = "It gets faster.", base: str | None = None) -> str:
        issue = self.call("orchestrator", "file_issue", kind="perf", title=title)["issue"]
        arguments = {"issue": issue, "hypothesis": hypothesis, "criteria": ["a better ratio"], "base": base}
        return str(self.call("orchestrator", "open_round", **arguments)["round"])

    def attempt(self, caught_by: str | None = None, verdict: str = "pass", engine: str | None = None) -> str:
        """Submit a new candidate (with an engine of the toy's, where it is to be served), gate it, judge it."""
        number = self.run.ledger.count("candidate.submitted") + 1
        (self.run.layout.workspace / "number.py").write_text(f"print({number})\n")
        if engine:
            candidate_tree(engine, self.run.layout.workspace)
        candidate = str(self.call("implementer", "submit_candidate")["candidate"])
        self.gate(candidate, caught_by)
        verdict_id = f"V{self.run.ledger.count('verdict.given') + 1}"
        said = {"verdict_id": verdict_id, "verdict": "fail" if caught_by else verdict, "feedback": "looked at it"}
        self._append("judge", "verdict.given", candidate, said)
        return candidate

    def gate(self, candidate: str, caught_by: str | None = None) -> None:
        stages = [{"name": "boot", "status": "passed", "measured": {"boot_s": 1.5}, "threshold": {"boot_s": 60}}]
        if caught_by:
            stages.append({"name": caught_by, "status": "failed", "measured": {"wrong": 3}, "threshold": {"wrong": 0}})
        name = f"G{sum(self.run.ledger.count(kind) for kind in GATE_KINDS) + 1}"
        kind = "gate.failed" if caught_by else "gate.passed"
        self._append("judge", kind, candidate, {"gate": name, "seconds": 1.0, "stages": stages})

    def measure(
        self,
        candidate: str,
        ratio: float,
        against: str = "parent",
        noise: float = 0.03,
        also: dict[str, float] | None = None,
    ) -> str:
        """A measurement whose pairs scatter around `ratio`; `also`: name → ratio of secondary figures."""
        submitted = candidate_record(self.run.ledger, candidate)
        own = {"parent": submitted.body["base"], "baseline": "reference"}
        name = f"M{self.run.ledger.count('measurement.recorded') + 1}"
        values = self._pairs(100.0, ratio, noise)
        compared = compare(values, direction=self.direction, relative_noise=0.05)
        body = {
            "measurement": name,
            "against": against,
            "against_tree": own.get(against, f"baseline:{against}"),
            "metric": "tokens_per_s",
            "unit": "tokens/s",
            "direction": self.direction,
            "value": 100.0 * compared.ratio,
            "against_value": 100.0,
            **compared.model_dump(mode="json", exclude={"verdict"}),
            "outcome": compared.verdict,
            "values": values,
            "also": [self._also(key, value, noise) for key, value in (also or {}).items()],
            "served": {"status": "passed", "measured": {"judged": 12}, "threshold": {}, "feedback": ""},
            "environment": self.machine,
        }
        self._append("evaluator", "measurement.recorded", candidate, body)
        return name

    def close(self, decision: str, hypothesis: str = "supported", reason: str = "as measured") -> None:
        issue_status = "done" if decision == "promote" else "reopen"
        arguments = {"decision": decision, "hypothesis": hypothesis, "issue_status": issue_status, "reason": reason}
        self.call("orchestrator", "close_round", **arguments)

    def promoted(self, title: str, ratio: float, noise: float = 0.03, engine: str | None = None) -> str:
        """A whole round that is kept; returns its candidate."""
        self.open(title)
        candidate = self.attempt(engine=engine)
        self.measure(candidate, ratio, noise=noise)
        self.close("promote")
        return candidate

    def turn(self, role: str, name: str, calls: int, seconds: float, client: str = "replay") -> None:
        """A turn as the driver records it."""
        actor = Actor(Role(role), name, client=client)
        ended = {"turn": name, "role": role, "client": client, "calls": calls, "seconds": seconds}
        with self.run.tx() as tx:
            tx.append(actor, "turn.started", name, {"turn": name, "role": role})
        with self.run.tx() as tx:
            tx.append(actor, "turn.ended", name, ended)

    def _pairs(self, against: float, ratio: float, noise: float) -> list[tuple[float, float]]:
        around = self._random.gauss
        return [(against * ratio * (1 + around(0, noise)), against * (1 + around(0, noise))) for _ in range(PAIRS)]

    def _also(self, name: str, ratio: float, noise: float) -> dict[str, Any]:
        values = self._pairs(250.0, ratio, noise)
        compared = compare(values, direction="lower", relative_noise=0.05)
        found = compared.model_dump(mode="json", exclude={"verdict"}) | {"outcome": compared.verdict}
        means = {"value": 250.0 * compared.ratio, "against_value": 250.0}
        return {"name": name, "unit": "ms", "direction": "lower", "values": values, "missing": None, **means, **found}

    def _append(self, role: str, kind: str, candidate: str, body: dict[str, Any]) -> None:
        submitted = candidate_record(self.run.ledger, candidate)
        known = {
            "candidate": submitted.body["candidate"],
            "round": submitted.body["round"],
            "tree": submitted.subject,
            "target_digest": self.run.target_digest,
        }
        with self.run.tx() as tx:
            tx.append(self.actor(role), kind, submitted.subject, body | known)
