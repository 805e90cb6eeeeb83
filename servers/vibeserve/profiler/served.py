"""The gate's last stage, after the timed section: a hidden sample of the timed responses is judged."""

import random
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.core.session import Session
from vibeserve.lab.judging import Answer, ModelIds, Score, Stage, numeric
from vibeserve.lab.stand.coverage import SERVED
from vibeserve.lab.stand.scoring import score_answers
from vibeserve.profiler.control import control_answers, judge_against
from vibeserve.profiler.pairs import Timed

JUDGED = 32
NOT_JUDGED = (
    "This target's benchmark writes no samples, so no timed response was judged: read the ratio with that in mind."
)


def judge_served(session: Session, timed: Timed, scratch: Path) -> Stage:
    """Judge some of the candidate's timed responses by the reference's teacher-forced gap.

    In the dtype of the numeric stage the gap itself is limited; in another, it is compared with a control.
    Not applicable when the benchmark writes no `samples`. Raises InfrastructureFailed when it wrote none of
    the candidate's, or when scoring did not work.
    """
    if all(window.samples is None for window in timed.windows):
        return Stage(
            name=SERVED,
            status="not_applicable",
            feedback=NOT_JUDGED,
        )
    answers = draw_answers(timed)
    ids = ModelIds.read(session.run.model)
    unscorable = numeric.judge_unscorable(answers, vocabulary=ids.vocabulary, name=SERVED)
    if unscorable:
        return unscorable
    session.progress(f"judging {len(answers)} of the timed responses")
    scores = score_answers(session, answers, scratch / "score")
    whole = [as_whole(answer, score) for answer, score in zip(answers, scores, strict=True)]
    run, limit = session.run, session.run.target.numeric.max_gap
    if run.preset.dtype == run.target.numeric.dtype:
        return numeric.judge(whole, scores, max_gap=limit, eos_ids=ids.eos_ids, name=SERVED)
    control = score_answers(session, control_answers(session, answers, scratch), scratch / "control-score")
    return judge_against(control, whole, scores, floor=limit, eos_ids=ids.eos_ids, name=SERVED)


def draw_answers(timed: Timed) -> list[Answer]:
    """A sample of the candidate's timed responses that nobody could foresee."""
    served = [sample for window in timed.windows if window.side == "candidate" for sample in window.samples or ()]
    served = [sample for sample in served if sample.get("token_ids")]
    if not served:
        raise InfrastructureFailed(
            "The benchmark wrote no timed response of the candidate, so nothing can be judged.",
            "Its `samples` must hold the timed requests with what they received.",
        )
    drawn = random.SystemRandom().sample(served, min(JUDGED, len(served)))
    try:
        return [Answer.model_validate(sample) for sample in drawn]
    except ValidationError as error:
        raise InfrastructureFailed(
            "The benchmark's `samples` are not in the shape that can be judged.",
            "See the target's README for the fields of a sample.",
            evidence=str(error.errors()[0]["loc"]),
        ) from error


def as_whole(answer: Answer, score: Score) -> Answer:
    """A stream cut off by the end of the window (no finish_reason), as the whole answer it was so far.

    Its text may lack what an honest server still held back; more ids than were asked for stay a fault.
    """
    if answer.finish_reason is not None or answer.error:
        return answer
    changes: dict[str, Any] = {"finish_reason": "length"}
    if len(answer.token_ids) <= answer.max_tokens:
        changes["max_tokens"] = len(answer.token_ids)
    if score.text.startswith(answer.text):
        changes["text"] = score.text
    return answer.model_copy(update=changes)
