"""The figures that go with an export: what was measured of the tree, against what, where and with which seeds."""

from vibeserve.core.evidence import evidence_on
from vibeserve.core.ledger import Ledger, Record
from vibeserve.core.target import Target
from vibeserve.delivery.facts import Direction, Fact, Secondary, Versus
from vibeserve.delivery.lineage import chosen_at
from vibeserve.delivery.pooling import Environment, Pool
from vibeserve.lab.stand.systems import REFERENCE, baseline_tree


class Claim(Fact):
    """The tree over one other system on one machine.

    `confirmed`: only measurements taken after the promotion are in it. Others are flattered by chance, since the
    best of many was promoted for them.
    """

    against_tree: str
    confirmed: bool
    versus: Versus
    also: list[Secondary]
    seeds: list[int]
    environment: Environment


class Figures(Fact):
    """All that was measured of an exported tree; None where nothing was."""

    tree: str
    candidate: str
    round: str
    metric: str
    unit: str
    direction: Direction
    vs_parent: Claim | None
    vs_reference: Claim | None
    vs_strong_baseline: Claim | None

    @property
    def claims(self) -> list[Claim]:
        """The claims against the target's own systems: those that anybody can measure again."""
        return [claim for claim in (self.vs_reference, self.vs_strong_baseline) if claim is not None]


def figures_of(ledger: Ledger, promoted: Record, target: Target) -> Figures:
    """The figures on record of a promoted tree."""
    strong = target.strong_baseline
    return Figures(
        tree=promoted.subject,
        candidate=str(promoted.body["candidate"]),
        round=str(promoted.body["round"]),
        metric=target.benchmark.metric,
        unit=target.benchmark.unit,
        direction=target.benchmark.direction,
        vs_parent=_claim(ledger, promoted, target, str(promoted.body["parent"])),
        vs_reference=_claim(ledger, promoted, target, REFERENCE),
        vs_strong_baseline=_claim(ledger, promoted, target, baseline_tree(strong)) if strong else None,
    )


def _claim(ledger: Ledger, promoted: Record, target: Target, against_tree: str) -> Claim | None:
    """One comparison: the confirmations where there are any, else all measurements; of the newest one's machine."""
    measured = evidence_on(ledger, promoted.subject, promoted.body["target_digest"]).measurements
    against = [record for record in measured if record.body["against_tree"] == against_tree]
    confirmations = [record for record in against if record.seq > chosen_at(ledger, promoted.subject)]
    records = confirmations or against
    if not records:
        return None
    environment = records[-1].body["environment"]
    pool = Pool(
        tuple(record for record in records if record.body["environment"] == environment),
        target.benchmark.relative_noise,
    )
    return Claim(
        against_tree=against_tree,
        confirmed=bool(confirmations),
        versus=pool.versus(),
        also=pool.secondary(records[-1].body["against"]),
        seeds=[seed for record in pool.records for seed in record.body["seeds"]],
        environment=environment,
    )
