"""The numeric stage: every emitted token, teacher-forced through the reference, must be greedy.

The gap (largest logit minus the emitted token's) forgives near-ties and nothing else: in fp32 honest
batching stays within 2e-5 and the mildest known bugs exceed 1.
"""

import math
import statistics
from collections import Counter
from collections.abc import Sequence

from vibeserve.lab.judging.answers import Answer, Score
from vibeserve.lab.judging.diagnosis import diagnose
from vibeserve.lab.judging.stage import Stage


def judge(
    answers: Sequence[Answer],
    scores: Sequence[Score],
    *,
    max_gap: float,
    eos_ids: frozenset[int] = frozenset(),
    name: str = "numeric",
) -> Stage:
    """Judge answers with their scores (same order). `eos_ids` end an answer unless it ignores them.

    Fails, cheapest evidence first: streams that did not complete, answers of the wrong length, text that
    is not what the ids decode to, tokens with a gap over `max_gap`. No answers at all is inconclusive.
    """
    if not answers:
        return Stage(name=name, status="inconclusive", feedback="There was no answer to judge.")
    findings = [
        *_transport(answers),
        *_lengths(answers, eos_ids),
        *_texts(answers, scores),
        *diagnose(answers, scores, max_gap),
    ]
    return Stage(
        name=name,
        status="failed" if findings else "passed",
        measured=_measured(answers, scores, max_gap),
        threshold={"max_gap": max_gap},
        feedback=" ".join(findings),
        evidence=_evidence(answers, scores, max_gap),
    )


def judge_unscorable(
    answers: Sequence[Answer], *, vocabulary: int, eos_ids: frozenset[int] = frozenset(), name: str = "numeric"
) -> Stage | None:
    """A failed stage where an answer holds ids outside the vocabulary, else None.

    Decided before scoring: whether a target's score command survives such ids must not matter.
    """
    unknown = sum(any(token >= vocabulary for token in answer.token_ids) for answer in answers)
    if not unknown:
        return None
    said = f"{unknown} of {len(answers)} answers hold token ids that the vocabulary ({vocabulary} ids) does not have."
    return Stage(
        name=name,
        status="failed",
        measured={"answers": len(answers), "with_unknown_ids": unknown},
        threshold={"with_unknown_ids": 0},
        feedback=" ".join([said, *_transport(answers), *_lengths(answers, eos_ids)]),
    )


def length_fault(answer: Answer, eos_ids: frozenset[int]) -> str | None:
    """How a complete answer breaks the rules of its length, or None."""
    stops = answer.stop_token_ids | (frozenset() if answer.ignore_eos else eos_ids)
    ids = answer.token_ids
    if any(token in stops for token in ids[:-1]):
        return "continues after a stop id"
    if answer.finish_reason == "stop":
        return None if ids and ids[-1] in stops else "says stop without a stop id at its end"
    if answer.finish_reason == "length":
        if len(ids) != answer.max_tokens:
            return "says length without max_tokens ids"
        return "says length where its last id is a stop id" if ids[-1] in stops else None
    return "has a finish_reason other than length or stop"


def _transport(answers: Sequence[Answer]) -> list[str]:
    errors = Counter(answer.error for answer in answers if answer.error)
    named = ", ".join(f"{count} {error}" for error, count in errors.most_common())
    if not errors:
        return []
    hint = " A malformed stream breaks the contract's events or carries more than max_tokens ids."
    ended = f"{errors.total()} of {len(answers)} streams did not complete ({named})."
    return [ended + (hint if "malformed" in errors else "")]


def _lengths(answers: Sequence[Answer], eos_ids: frozenset[int]) -> list[str]:
    complete = [answer for answer in answers if not answer.error]
    faults = Counter(fault for answer in complete if (fault := length_fault(answer, eos_ids)))
    return [f"{count} of {len(complete)} answers: {fault}." for fault, count in faults.most_common()]


def _texts(answers: Sequence[Answer], scores: Sequence[Score]) -> list[str]:
    complete = [(answer, score) for answer, score in zip(answers, scores, strict=True) if not answer.error]
    wrong = sum(answer.text != score.text for answer, score in complete)
    if not wrong:
        return []
    return [
        f"{wrong} of {len(complete)} answers carry text that is not what their token_ids decode to "
        "(special tokens skipped, incomplete UTF-8 held back, the remainder sent with the last chunk)."
    ]


def _measured(answers: Sequence[Answer], scores: Sequence[Score], max_gap: float) -> dict[str, float | int | str]:
    gaps = sorted(gap for score in scores for gap in score.gaps)
    measured: dict[str, float | int | str] = {
        "answers": len(answers),
        "completed": sum(not answer.error for answer in answers),
        "stopped": sum(answer.finish_reason == "stop" for answer in answers),
        "tokens": len(gaps),
    }
    if gaps:
        measured |= {
            "max_gap": max(gaps),
            "mean_gap": statistics.fmean(gaps),
            "p99_gap": gaps[math.ceil(0.99 * len(gaps)) - 1],
            "agreement": sum(gap == 0 for gap in gaps) / len(gaps),
            "wrong_tokens": sum(not gap <= max_gap for gap in gaps),
        }
    return measured


def _evidence(answers: Sequence[Answer], scores: Sequence[Score], max_gap: float) -> str:
    """One line per answer that is at fault: for the record, with no prompt in it."""
    lines = []
    for place, (answer, score) in enumerate(zip(answers, scores, strict=True)):
        wrong = [position for position, gap in enumerate(score.gaps) if not gap <= max_gap]
        if answer.error or wrong or answer.text != score.text:
            lines.append(
                f"answer {place} ({answer.endpoint}, {len(answer.token_ids)} of {answer.max_tokens} ids, "
                f"{answer.error or answer.finish_reason}): wrong positions {wrong[:8]}, "
                f"largest gap {max(score.gaps, default=0.0):.4g}"
            )
    return "\n".join(lines)
