"""Judging the shipped dtype: against an honest control, the reference in that dtype on the same prompts.

In reduced precision the largest gap tells nothing (an honest server's grows with depth beyond a bug's), so
mean and 99th percentile are compared as ratios.
"""

import contextlib
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.core.session import Session
from vibeserve.lab.judging import Answer, Score, Stage, numeric
from vibeserve.lab.judging.answers import CHAT_PATH, COMPLETIONS_PATH, answers
from vibeserve.lab.load import Plan, Request
from vibeserve.lab.stand.driving import drive_plan
from vibeserve.lab.stand.systems import REFERENCE, beyond_blame
from vibeserve.profiler.sides import start_side

MAX_RATIO = 2.0
WINDOW_S = 1.0


def control_answers(session: Session, asked: Sequence[Answer], scratch: Path) -> list[Answer]:
    """What the reference answers to the same requests in the preset's dtype."""
    plan = Plan(requests=tuple(_request(answer) for answer in asked), window_s=WINDOW_S)
    with contextlib.ExitStack() as stack:
        session.progress("asking the reference the same in the same dtype")
        side = start_side(session, stack, REFERENCE, scratch, is_candidate=False)
        with side.running(), beyond_blame("The reference, as a control,"):
            samples = drive_plan(session, side.service, side.network, plan, scratch / "control")
    answered = answers(plan, samples)
    if any(answer.error for answer in answered):
        raise InfrastructureFailed(
            "The reference did not answer every request of the control.",
            "Measure again; when it repeats, the target's reference is at fault.",
            evidence=str([answer.error for answer in answered]),
        )
    return answered


def judge_against(
    control: Sequence[Score],
    judged: Sequence[Answer],
    scores: Sequence[Score],
    *,
    floor: float,
    eos_ids: frozenset[int],
    name: str,
) -> Stage:
    """Judge answers whose gaps may be as large as an honest server's of that dtype.

    Mean and p99 gap may be at most MAX_RATIO times the control's, plus `floor` (fp32 noise). Lengths, text and
    whole streams are judged as in fp32.
    """
    stage = numeric.judge(judged, scores, max_gap=math.inf, eos_ids=eos_ids, name=name)
    figures = {f"{key}_gap": (_figures(scores)[key], _figures(control)[key]) for key in ("mean", "p99")}
    over = [key for key, (mine, honest) in figures.items() if not mine <= MAX_RATIO * honest + floor]
    measured = stage.measured | {f"control_{key}": honest for key, (_, honest) in figures.items()}
    said = [stage.feedback] if stage.feedback else []
    if over:
        said.append(
            f"{' and '.join(over)} exceed {MAX_RATIO:g} times those of the reference in the same dtype: look "
            "for a fault of logic, not of rounding."
        )
    changes: dict[str, Any] = {
        "status": "failed" if said else stage.status,
        "measured": measured,
        "threshold": {"max_ratio_to_control": MAX_RATIO, "floor": floor},
        "feedback": " ".join(said),
    }
    return stage.model_copy(update=changes)


def _figures(scores: Sequence[Score]) -> dict[str, float]:
    gaps = sorted(gap for score in scores for gap in score.gaps)
    if not gaps:
        return {"mean": 0.0, "p99": 0.0}
    return {"mean": statistics.fmean(gaps), "p99": gaps[math.ceil(0.99 * len(gaps)) - 1]}


def _request(answer: Answer) -> Request:
    fields = {"prompt", "messages", "max_tokens", "ignore_eos"}
    body = answer.model_dump(include=fields, exclude_none=True)
    body |= {"temperature": 0, "stream": True, "return_token_ids": True}
    if answer.stop_token_ids:
        body["stop_token_ids"] = sorted(answer.stop_token_ids)
    path = CHAT_PATH if answer.endpoint == "chat" else COMPLETIONS_PATH
    return Request(at_s=0.0, path=path, body=body)
