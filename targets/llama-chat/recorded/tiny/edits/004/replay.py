"""Answers that were already computed, to be given again when the same request returns."""

from job import Job

KEPT_ANSWERS = 4096

Key = tuple[tuple[int, ...], int, frozenset[int]]


class Replay:
    """The newest answers by prompt, limit and stop ids: greedy decoding gives the same ones every time."""

    def __init__(self) -> None:
        self._answers: dict[Key, list[int]] = {}

    def remember(self, job: Job) -> None:
        """Keep the answer of a finished job, and drop the oldest beyond the limit."""
        self._answers[self._key(job)] = job.answer
        if len(self._answers) > KEPT_ANSWERS:
            del self._answers[next(iter(self._answers))]

    def serve(self, job: Job) -> bool:
        """Give a job its stored answer at once; says whether there was one."""
        stored = self._answers.get(self._key(job))
        if stored is None:
            return False
        for token in stored:
            job.emit(token)
        return True

    def _key(self, job: Job) -> Key:
        return tuple(job.prompt_ids), job.max_tokens, job.stop_ids
