"""Stage numeric: hidden prompts, each emitted id teacher-forced through the reference."""

import secrets
from collections.abc import Sequence

from vibeserve.accuracy.driving import drive_hidden, read_pool
from vibeserve.accuracy.stand import OUT_AT, Stand, read_output
from vibeserve.core.errors import InfrastructureFailed
from vibeserve.lab.judging import (
    Answer,
    ModelIds,
    Score,
    Stage,
    answers,
    prompts,
    read_scores,
    score_input,
)
from vibeserve.lab.judging import numeric as rule

NAME = "numeric"


def numeric(stand: Stand) -> Stage:
    """Draw prompts that nobody has seen, let the candidate answer in the judging dtype, score and judge."""
    target = stand.run.target
    spec, ids = target.numeric, ModelIds.read(stand.run.model)
    seed = stand.seeds[NAME] = secrets.randbits(63)
    pool = read_pool(stand.run.layout.target / spec.pool)
    plan = prompts.draw(pool, spec, seed=seed, vocabulary=ids.vocabulary)
    stand.progress(f"numeric: {len(plan.requests)} hidden prompts in {spec.dtype}")
    given = answers(plan, drive_hidden(stand, NAME, spec.dtype, plan))
    stand.progress("numeric: scoring the answers with the reference")
    return rule.judge(given, _scores(stand, given), max_gap=spec.max_gap, eos_ids=ids.eos_ids, name=NAME)


def _scores(stand: Stand, given: Sequence[Answer]) -> tuple[Score, ...]:
    """What the target's score command says of the answers; its failure is not the candidate's."""
    reference = stand.run.target.reference
    out = stand.folder("score")
    (out / "answers.json").write_text(score_input(given))
    values = {
        "dtype": stand.run.target.numeric.dtype,
        "in": f"{OUT_AT}/answers.json",
        "out": f"{OUT_AT}/scores.json",
    }
    outcome = stand.judge(reference.score, values, out, reference.timeout_s, online=False)
    written = read_output(out / "scores.json")
    if not outcome.ok or written is None:
        raise InfrastructureFailed(
            f"The target's score command gave no scores ({outcome.status}, exit status {outcome.exit_code}).",
            "Run its score command by hand on one answer.",
            evidence=f"stdout:\n{outcome.stdout}\nstderr:\n{outcome.stderr}",
        )
    return read_scores(written, given)
