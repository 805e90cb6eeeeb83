"""The gate on the recorded candidates of llama-chat, over fresh seeds: honest ones pass, the bug and the cache fail."""

import statistics
import tempfile
from pathlib import Path

from proofs.recorded import TARGET
from proofs.report import Report
from vibeserve.accuracy.gate import run_gate
from vibeserve.accuracy.reports import GateReport
from vibeserve.core.folders import remove_folder
from vibeserve.core.roles import Actor, Role
from vibeserve.core.run import Run, create_run
from vibeserve.core.session import Session
from vibeserve.core.target import read_target
from vibeserve.lab.models import prepare_model
from vibeserve.lab.trees import repository_of
from vibeserve.sessions.recording import EditStep, Recording

SEEDS = 5
EXPECTED = {
    "001": ("passed", None),
    "002": ("failed", "numeric"),
    "003": ("passed", None),
    "004": ("failed", "repeat"),
    "007": ("passed", None),
}
"""Edit of the recording → how its gate must end, and at which stage: those of the first three rounds, and the best."""
DISCARDED = {"004"}
"""Edits that the later ones do not build on."""


def prove(report: Report) -> None:
    """Every candidate is gated in SEEDS separate runs; every outcome must be the expected one."""
    gates: dict[str, list[GateReport]] = {edit: [] for edit in EXPECTED}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(SEEDS):
            for edit, gate in _gate_all(Path(folder) / f"run-{number}"):
                gates[edit].append(gate)
    report.line(f"Each candidate of the recorded run gated {SEEDS} times, hidden prompts drawn anew each time.")
    rows = [(edit, *_row(edit, found)) for edit, found in gates.items()]
    report.table(("edit", "expected", "as expected", "wrong tokens", "repeat ratio", "median seconds"), rows)
    for edit, found in gates.items():
        assert all(_end(gate) == EXPECTED[edit] for gate in found), f"edit {edit}: {[_end(gate) for gate in found]}"


def _gate_all(root: Path) -> list[tuple[str, GateReport]]:
    target = read_target(TARGET)
    model = prepare_model(TARGET, target, "tiny")
    run = create_run(TARGET, "tiny", model.path, model.digest, root)
    session = Session(run, Actor(Role.HUMAN, "catches", client="proof"))
    gates = []
    for number, edit in enumerate(EXPECTED, start=1):
        _restore(run.layout.workspace, edit)
        gates.append((edit, run_gate(session, _submit(run, f"C{number}"))))
    session.close()
    return gates


def _restore(workspace: Path, last: str) -> None:
    """The workspace as it stood after the edit `last` of the recording."""
    recording = Recording(TARGET / "recorded" / "tiny")
    remove_folder(workspace)
    workspace.mkdir()
    for step in (step for turn in recording.turns() for step in turn.steps):
        if isinstance(step, EditStep) and step.edit <= last and (step.edit == last or step.edit not in DISCARDED):
            recording.apply(step, workspace)


def _submit(run: Run, candidate: str) -> str:
    """Put the workspace on record as a candidate, outside any round: here only the gate matters."""
    tree = repository_of(run).snapshot(run.layout.workspace)
    body = {"candidate": candidate, "round": "R1", "attempt": 1, "tree": tree, "base": "reference", "note": ""}
    with run.tx() as tx:
        tx.append(Actor(Role.HUMAN, "catches", client="proof"), "candidate.submitted", tree, body)
    return candidate


def _end(gate: GateReport) -> tuple[str, str | None]:
    last = gate.stages[-1]
    return gate.outcome, None if gate.outcome == "passed" else last.name


def _row(edit: str, gates: list[GateReport]) -> tuple[str, str, str, str, str]:
    outcome, stage = EXPECTED[edit]
    as_expected = sum(_end(gate) == EXPECTED[edit] for gate in gates)
    wrong = [stage.measured["wrong_tokens"] for gate in gates for stage in gate.stages if stage.name == "numeric"]
    ratios = [
        float(stage.measured["decode_ratio"])
        for gate in gates
        for stage in gate.stages
        if stage.name == "repeat" and "decode_ratio" in stage.measured
    ]
    return (
        outcome if stage is None else f"{outcome}: {stage}",
        f"{as_expected} of {len(gates)}",
        ", ".join(map(str, wrong)),
        ", ".join(f"{ratio:.3f}" for ratio in ratios) or "not reached",
        f"{statistics.median(gate.seconds for gate in gates):.0f}",
    )
