"""Says which class of thing is wrong, from where wrong tokens stand. Reveals no prompt and no answer."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from vibeserve.lab.judging.answers import Answer, Score


@dataclass(frozen=True)
class Group:
    """Some of the answers: how many, and the first wrong output position of each that has one."""

    name: str
    answers: int
    first_wrong: tuple[int, ...]

    @property
    def all_right(self) -> bool:
        """Whether there are answers and none is wrong."""
        return self.answers > 0 and not self.first_wrong


def diagnose(answers: Sequence[Answer], scores: Sequence[Score], max_gap: float) -> list[str]:
    """Sentences about tokens that the reference would not have chosen; empty when there is none."""
    firsts = [first_wrong(score, max_gap) for score in scores]
    wrong = [first for first in firsts if first is not None]
    if not wrong:
        return []
    sentences = [
        f"{len(wrong)} of {len(answers)} answers leave greedy decoding; the first wrong token stands at "
        f"output position {min(wrong)} at the earliest, {statistics.median_low(wrong)} in the median.",
        _phase(wrong),
    ]
    together = [overlaps(answer, answers) for answer in answers]
    sentences += _contrast(
        _group("requests that ran alone", firsts, [not shared for shared in together]),
        _group("requests admitted while others were running", firsts, together),
    )
    sentences += _contrast(
        _group("chat requests", firsts, [answer.endpoint == "chat" for answer in answers]),
        _group("completions requests", firsts, [answer.endpoint == "completions" for answer in answers]),
    )
    return sentences


def first_wrong(score: Score, max_gap: float) -> int | None:
    """The first output position whose gap exceeds the limit (or is not a number)."""
    return next((place for place, gap in enumerate(score.gaps) if not gap <= max_gap), None)


def overlaps(answer: Answer, others: Sequence[Answer]) -> bool:
    """Whether another request was in flight at some moment of this one."""
    if answer.sent_s is None or answer.finished_s is None:
        return False
    return any(
        other is not answer
        and other.sent_s is not None
        and other.sent_s < answer.finished_s
        and (other.finished_s is None or other.finished_s > answer.sent_s)
        for other in others
    )


def _phase(wrong: Sequence[int]) -> str:
    if all(first == 0 for first in wrong):
        return "It is always the very first token: look at the prompt's encoding and the prefill."
    if all(first > 0 for first in wrong):
        return "First tokens are right, later ones are not: look at decoding (positions, masks, cache writes)."
    return "Both first and later tokens are wrong."


def _group(name: str, firsts: Sequence[int | None], members: Sequence[bool]) -> Group:
    inside = [first for first, member in zip(firsts, members, strict=True) if member]
    return Group(name, len(inside), tuple(first for first in inside if first is not None))


def _contrast(one: Group, other: Group) -> list[str]:
    """A sentence when all of one group is right and some of the other is wrong."""
    for right, wrong in ((one, other), (other, one)):
        if right.all_right and wrong.first_wrong:
            return [
                f"Only {wrong.name} are wrong ({len(wrong.first_wrong)} of {wrong.answers}); "
                f"{right.name} are right ({right.answers})."
            ]
    return []
