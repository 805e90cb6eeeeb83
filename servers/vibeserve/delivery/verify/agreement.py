"""What running a checkpoint again came to, beside what was exported of it."""

import math
from collections.abc import Sequence
from typing import Literal

from vibeserve.delivery.export.figures import Claim
from vibeserve.delivery.facts import Fact, Interval, Outcome, StageFacts
from vibeserve.delivery.pooling import Environment
from vibeserve.delivery.wording import with_interval
from vibeserve.lab.judging import Stage
from vibeserve.profiler.comparing import Compared

Agreement = Literal["agrees", "does_not_agree", "not_shown", "unlike_machine", "nothing_exported"]
Conclusion = Literal["reproduces", "gate_passed", "does_not_reproduce", "gate_failed", "inconclusive"]

IN_WORDS: dict[Agreement, str] = {
    "agrees": "the intervals overlap",
    "does_not_agree": "the intervals do not overlap: it does not reproduce",
    "not_shown": "the intervals overlap, yet what was measured here shows no such difference",
    "unlike_machine": "measured on a machine unlike the exported one: not compared",
    "nothing_exported": "no such figure was exported",
}


class Again(Fact):
    """One comparison measured again, beside the exported one."""

    against_tree: str
    ratio: float
    ci95: Interval
    pairs: int
    verdict: Outcome
    seeds: list[int]
    exported_ratio: float | None
    exported_ci95: Interval | None
    agreement: Agreement

    def in_words(self) -> str:
        """One line for people."""
        said = f"{with_interval(self.ratio, self.ci95)} over {self.against_tree}"
        if self.exported_ratio is not None and self.exported_ci95 is not None:
            said += f", exported {with_interval(self.exported_ratio, self.exported_ci95)}"
        return f"{said} – {IN_WORDS[self.agreement]}"


class Rerun(Fact):
    """What gate and measurement came to. `ok`: the gate passed and no figure is refuted.

    `run` is the fresh run's folder where it was kept, `public_key` its key.
    """

    ok: bool
    conclusion: Conclusion
    said: str
    reason: str | None
    gate: str
    stages: list[StageFacts]
    measured: list[Again]
    environment: Environment
    public_key: str
    run: str | None


def beside(compared: Compared, against_tree: str, claim: Claim | None) -> Again:
    """A new comparison beside the exported one of the same system, if any."""
    return Again(
        against_tree=against_tree,
        ratio=compared.comparison.ratio,
        ci95=compared.comparison.ci95,
        pairs=compared.comparison.pairs,
        verdict=compared.comparison.verdict,
        seeds=compared.seeds,
        exported_ratio=claim.versus.ratio if claim else None,
        exported_ci95=claim.versus.ci95 if claim else None,
        agreement=_agreement(compared, claim),
    )


def concluded(gate: str, measured: Sequence[Again]) -> tuple[Conclusion, str]:
    """What all of it comes to, and that in words."""
    if gate == "failed":
        return "gate_failed", "the gate failed"
    if gate != "passed":
        return "inconclusive", "the machinery failed, so nothing is shown"
    agreements = {one.agreement for one in measured}
    if "does_not_agree" in agreements:
        return "does_not_reproduce", "the gate passed, and the figures do not reproduce"
    if "agrees" in agreements and "not_shown" not in agreements:
        return "reproduces", "the gate passed, and the figures agree with the exported ones"
    open_ones: tuple[Agreement, ...] = ("not_shown", "unlike_machine", "nothing_exported")
    why: Agreement = next((one for one in open_ones if one in agreements), "nothing_exported")
    return "gate_passed", f"the gate passed; the figures: {IN_WORDS[why]}"


def stage_facts(stage: Stage) -> StageFacts:
    """A stage for the ledger, which holds finite numbers only: others become text."""
    measured, threshold = (
        {key: value if isinstance(value, str) or math.isfinite(value) else str(value) for key, value in part.items()}
        for part in (stage.measured, stage.threshold)
    )
    return StageFacts(name=stage.name, status=stage.status, measured=measured, threshold=threshold)


def _agreement(compared: Compared, claim: Claim | None) -> Agreement:
    """Whether the intervals overlap, and show the same; unlike machines are never compared.

    A wide interval overlaps with anything: what was exported as a difference must be one here too.
    """
    if claim is None:
        return "nothing_exported"
    if claim.environment != compared.environment:
        return "unlike_machine"
    (low, high), (exported_low, exported_high) = compared.comparison.ci95, claim.versus.ci95
    if not (low <= exported_high and exported_low <= high):
        return "does_not_agree"
    same = claim.versus.verdict in ("inconclusive", compared.comparison.verdict)
    return "agrees" if same else "not_shown"
