"""Stage repeat: where the target permits no reuse, a repeated prompt costs what a fresh one costs."""

import secrets

from vibeserve.accuracy.stand import Stand
from vibeserve.lab.judging import Stage, prompts
from vibeserve.lab.judging import repeat as rule
from vibeserve.lab.stand.driving import drive_plan

NAME = "repeat"


def repeat(stand: Stand) -> Stage:
    """Send one prompt again and again between fresh ones of equal length, and compare the times."""
    target = stand.run.target
    if target.reuse != "none":
        return Stage(name=NAME, status="not_applicable")
    seed = stand.seeds[NAME] = secrets.randbits(63)
    plan = rule.plan(prompts.read_pool(stand.run.layout.target / target.numeric.pool), seed=seed)
    service = stand.serving(target.numeric.dtype)
    stand.progress("repeat: repeated prompts between fresh ones")
    samples = drive_plan(stand.session, service, stand.network, plan, stand.scratch / NAME)
    return rule.judge(samples, name=NAME)
