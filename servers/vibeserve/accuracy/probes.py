"""Stage repeat: where the target permits no reuse, a repeated prompt costs what a fresh one costs."""

import secrets

from vibeserve.accuracy.driving import drive_hidden, read_pool
from vibeserve.accuracy.stand import Stand
from vibeserve.lab.judging import Stage
from vibeserve.lab.judging import repeat as rule

REPEAT = "repeat"


def repeat(stand: Stand) -> Stage:
    """Send one prompt again and again between fresh ones of equal length, and compare the times."""
    if stand.run.target.reuse != "none":
        return Stage(name=REPEAT, status="not_applicable")
    seed = stand.seeds[REPEAT] = secrets.randbits(63)
    plan = rule.plan(read_pool(stand.run.layout.target / stand.run.target.numeric.pool), seed=seed)
    stand.progress("repeat: repeated prompts between fresh ones")
    return rule.judge(drive_hidden(stand, REPEAT, stand.dtype, plan), name=REPEAT)
