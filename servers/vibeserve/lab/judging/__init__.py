"""Judging: hidden prompts, teacher-forced gaps, reuse. No model library is imported here."""

from vibeserve.lab.judging import numeric, prompts, repeat
from vibeserve.lab.judging.answers import Answer, Score, answers, read_scores, score_input
from vibeserve.lab.judging.model import ModelIds
from vibeserve.lab.judging.stage import Stage, Status

__all__ = [
    "Answer",
    "ModelIds",
    "Score",
    "Stage",
    "Status",
    "answers",
    "numeric",
    "prompts",
    "read_scores",
    "repeat",
    "score_input",
]
