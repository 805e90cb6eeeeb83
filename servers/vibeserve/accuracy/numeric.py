"""Stage numeric: hidden prompts, each emitted id teacher-forced through the reference."""

import secrets

from vibeserve.accuracy.stand import Stand
from vibeserve.lab.judging import ModelIds, Stage, answers, prompts
from vibeserve.lab.judging import numeric as rule
from vibeserve.lab.stand.driving import drive_plan
from vibeserve.lab.stand.scoring import score_answers

NAME = "numeric"


def numeric(stand: Stand) -> Stage:
    """Draw prompts that nobody has seen, let the candidate answer in the judging dtype, score and judge."""
    spec, ids = stand.run.target.numeric, ModelIds.read(stand.run.model)
    seed = stand.seeds[NAME] = secrets.randbits(63)
    pool = prompts.read_pool(stand.run.layout.target / spec.pool)
    plan = prompts.draw(pool, spec, seed=seed, vocabulary=ids.vocabulary)
    service = stand.serving(spec.dtype)
    stand.progress(f"numeric: {len(plan.requests)} hidden prompts in {spec.dtype}")
    given = answers(plan, drive_plan(stand.session, service, stand.network, plan, stand.scratch / NAME))
    unscorable = rule.judge_unscorable(given, vocabulary=ids.vocabulary, eos_ids=ids.eos_ids, name=NAME)
    if unscorable:
        return unscorable
    stand.progress("numeric: scoring the answers with the reference")
    scores = score_answers(stand.session, given, stand.scratch / "score")
    return rule.judge(given, scores, max_gap=spec.max_gap, eos_ids=ids.eos_ids, name=NAME)
