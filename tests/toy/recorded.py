"""A recorded run of the toy target: a bug caught and mended, then a cache caught and discarded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toy.fixtures import candidate_tree
from vibeserve.sessions.recording import EditStep, RecordedTurn, Recording, write_turn

Call = tuple[str, dict[str, Any]]


def write_recording(folder: Path, turns: Sequence[tuple[str, Sequence[Any]]] | None = None) -> Recording:
    """Write the turns (TURNS unless others are given) and all edits into `folder`."""
    recording = Recording(folder)
    for engine in ("wrong_when_shared", "honest", "caches"):
        recording.save_edit(tree := candidate_tree(engine, folder / "draft" / engine), files(tree), [])
    for role, steps in turns or TURNS:
        turn = {"role": role, "steps": [_step(step) for step in steps]}
        write_turn(
            recording.new_turn_path(RecordedTurn.model_validate(turn).as_role),
            RecordedTurn.model_validate(turn),
        )
    return recording


def files(folder: Path) -> list[str]:
    """Relative paths of all files."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _step(step: "Call | EditStep") -> dict[str, Any]:
    if isinstance(step, EditStep):
        return step.model_dump()
    tool, arguments = step[0], dict(step[1])
    expect = {"outcome": arguments.pop("expect")} if "expect" in arguments else {}
    return {"tool": tool, "arguments": arguments, "expect": expect}


def judged(expect: str, verdict: str) -> tuple[str, list[Call]]:
    """A Judge's turn."""
    words = {"pass": "Right on every hidden prompt.", "fail": "The gate says what is wrong."}
    return "judge", [
        ("run_gate", {"candidate": "$candidate", "expect": expect}),
        ("diff_candidate", {"candidate": "$candidate"}),
        ("submit_verdict", {"candidate": "$candidate", "verdict": verdict, "feedback": words[verdict]}),
    ]


def opened(title: str, hypothesis: str) -> tuple[str, list[Call]]:
    """An Orchestrator's turn that files an issue and opens a round on it."""
    return "orchestrator", [
        ("file_issue", {"kind": "perf", "title": title, "body": "Serve requests side by side."}),
        ("open_round", {"issue": "$issue", "hypothesis": hypothesis, "criteria": ["Better than its parent."]}),
    ]


CLOSING = {
    "decision": "discard",
    "hypothesis": "untested",
    "issue_status": "abandon",
    "reason": "The target permits no reuse.",
}

TURNS: list[tuple[str, list[Any]]] = [
    opened("Serve requests side by side", "Taking requests together is faster than one by one."),
    (
        "implementer",
        [("show_round", {}), EditStep(edit="001"), ("submit_candidate", {"note": "First attempt."})],
    ),
    judged("failed", "fail"),
    ("implementer", [("show_round", {}), EditStep(edit="002"), ("submit_candidate", {"note": "Mended."})]),
    judged("passed", "pass"),
    (
        "evaluator",
        [
            ("measure", {"candidate": "$candidate", "against": "parent"}),
            (
                "submit_evaluation",
                {"candidate": "$candidate", "summary": "${measurement.ratio} times its parent."},
            ),
        ],
    ),
    (
        "orchestrator",
        [
            (
                "close_round",
                {
                    "decision": "promote",
                    "hypothesis": "supported",
                    "issue_status": "done",
                    "reason": "${measurement.ratio} times the parent.",
                },
            ),
            ("read_memory", {}),
            ("edit_memory", {"section": "Batching", "text": "It pays: ${measurement.ratio}.", "version": ""}),
        ],
    ),
    opened("Answer repeated prompts from a cache", "Repeated prompts need not be computed again."),
    ("implementer", [EditStep(edit="003"), ("submit_candidate", {"note": "A cache keyed by prompt."})]),
    judged("failed", "fail"),
    (
        "orchestrator",
        [
            ("close_round", CLOSING),
            (
                "record_direction",
                {
                    "name": "completion cache",
                    "mechanism": "Replay stored answers.",
                    "hypothesis": "Repeated prompts need not be computed again.",
                    "status": "needs_debugging",
                    "evidence": ["$gate"],
                },
            ),
        ],
    ),
]

SHORT: list[tuple[str, list[Any]]] = [
    TURNS[0],
    ("implementer", [EditStep(edit="002"), ("submit_candidate", {"note": "Side by side."})]),
    judged("passed", "pass"),
    ("orchestrator", [("close_round", CLOSING)]),
]
"""One honest candidate, gated and not measured."""
