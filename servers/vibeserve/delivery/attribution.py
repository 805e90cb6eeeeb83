"""Leave-one-out: each kept change is taken out of the finished system, which is then gated and timed against it.

The trees made here are no candidates: nothing is submitted, so no round can measure, judge or promote one.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from vibeserve.accuracy.gate import examine
from vibeserve.core.artifacts import printable
from vibeserve.core.errors import InfrastructureFailed, Refused
from vibeserve.core.evidence import evidence_on, failed_stage
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.core.texts import excerpt
from vibeserve.delivery.lineage import Change, kept_changes
from vibeserve.lab.judging import Stage
from vibeserve.lab.trees.without import Clash, without_change
from vibeserve.lab.trees.workspace import repository_of
from vibeserve.profiler.comparing import FailedUnderLoad, compare_systems, compare_values
from vibeserve.profiler.environment import environment

KIND = "attribution.recorded"
SHOWN_CLASHES = 5
DETAIL_BYTES = 600

Status = Literal["measured", "not_separable", "gate_failed", "inconclusive"]


class Attribution(BaseModel):
    """What one kept change adds to the finished system.

    `ratio` is the finished system over the one without the change (`tree`), in the target's metric, with its 95 %
    interval; all three and `verdict` are None unless `status` is measured. `detail` says why in plain words.
    """

    model_config = ConfigDict(frozen=True)

    round: str
    issue: str
    title: str
    status: Status
    detail: str = ""
    tree: str | None = None
    ratio: float | None = None
    ci95: tuple[float, float] | None = None
    pairs: int | None = None
    verdict: Literal["better", "worse", "inconclusive"] | None = None


def attribute(session: Session, best: str) -> list[Attribution]:
    """Attribute the gain of the promoted tree `best` to the changes of its line, oldest first.

    One `attribution.recorded` each. What is on record is not done again, unless machinery kept it inconclusive.
    """
    changes, here = kept_changes(session.run, best), environment()
    if not changes:
        raise Refused(f"{best[:12]} is no promoted checkpoint, so it has no kept changes.", "close_round promotes.")
    for number, change in enumerate(changes, start=1):
        known = recorded_attributions(session.run, best, here)
        if any(one.round == change.round and one.status != "inconclusive" for one in known):
            continue
        session.progress(f"leave-one-out {number} of {len(changes)}: without {change.round}")
        attribution, evidence = _attribute_one(session, best, change, known)
        _record(session, best, attribution, evidence)
    return recorded_attributions(session.run, best, here)


def recorded_attributions(run: Run, best: str, where: dict[str, str | int] | None) -> list[Attribution]:
    """What is on record for a tree, the newest of each round, in the order of the rounds in its line.

    What was timed elsewhere than in the environment `where` is left out: it stands beside no figure taken there.
    """
    newest = {
        str(record.body["round"]): Attribution.model_validate(record.body)
        for record in run.ledger.records(KIND, best)
        if record.body["target_digest"] == run.target_digest and record.body.get("environment", where) == where
    }
    return [newest[change.round] for change in kept_changes(run, best) if change.round in newest]


def _attribute_one(
    session: Session, best: str, change: Change, known: Sequence[Attribution]
) -> tuple[Attribution, dict[str, Any]]:
    """One change's attribution, and what else goes on record of it. Trouble with the machinery stops at this one."""
    about = partial(Attribution, round=change.round, issue=change.issue, title=change.title)
    repository = repository_of(session.run)
    if change.before == repository.empty_tree():
        return about(status="not_separable", detail=_FIRST), {}
    try:
        without = without_change(repository, best, before=change.before, after=change.after)
    except InfrastructureFailed as error:  # git takes too long over what a candidate wrote
        return about(status="inconclusive", detail=_brief(error.message)), {}
    if without.tree is None or without.tree == best:
        detail = _REPLACED if without.tree else _clashing(without.clashes)
        return about(status="not_separable", detail=detail, tree=without.tree), {}
    same = next((one for one in known if one.tree == without.tree and one.status != "inconclusive"), None)
    if same is not None:
        detail = f"Without it the same tree is left as without {same.round}: both were measured as one."
        return same.model_copy(update=about(status=same.status, detail=detail).model_dump(exclude_unset=True)), {}
    try:
        return _gated_and_measured(session, best, without.tree, about)
    except InfrastructureFailed as error:
        if session.cancelled.is_set():
            raise
        return about(status="inconclusive", detail=_brief(error.message), tree=without.tree), {}


def _gated_and_measured(
    session: Session, best: str, tree: str, about: Callable[..., Attribution]
) -> tuple[Attribution, dict[str, Any]]:
    """Gate the tree unless a gate has decided on it, then time it against the finished system.

    It stands on the judged side: it was never judged under load, and the finished system was.
    """
    stage, evidence = _gate(session, tree)
    if stage is not None:
        status = "gate_failed" if stage.status == "failed" else "inconclusive"
        detail = _brief(f"Without it the gate says {stage.status} at stage {stage.name}: {stage.feedback}")
        return about(status=status, detail=detail, tree=tree), evidence
    try:
        compared = compare_systems(session, tree, best)
    except FailedUnderLoad as failed:
        detail = _brief(f"Without it the system fails under load: {failed.stage.feedback}")
        return about(status="gate_failed", detail=detail, tree=tree), evidence
    comparison = compare_values(session.run, [(whole, without) for without, whole in compared.values])
    measured = about(
        status="measured",
        detail="The finished system over the one without this change.",
        tree=tree,
        ratio=comparison.ratio,
        ci95=comparison.ci95,
        pairs=comparison.pairs,
        verdict=comparison.verdict,
    )
    timed = {"values": compared.values, "seeds": compared.seeds, "environment": compared.environment}
    return measured, evidence | timed | {"foreign_cores": compared.foreign_cores}


def _gate(session: Session, tree: str) -> tuple[Stage | None, dict[str, Any]]:
    """The stage at which the tree did not pass, None when it passed; and what goes on record of a gate run here."""
    run = session.run
    decided = evidence_on(run.ledger, tree, run.target_digest).gate
    if decided is not None and decided.kind != "gate.inconclusive":
        failed = failed_stage(decided)
        said = Stage.model_validate({key: failed[key] for key in ("name", "status", "feedback")}) if failed else None
        return said, {"gate": decided.body["gate"]}
    examined = examine(session, tree)
    on_record = {
        "stages": [stage.model_dump(mode="json", exclude={"evidence"}) for stage in examined.stages],
        "artifact": run.artifacts.put(examined.evidence, "leave-one-out-gate.txt"),
    }
    return next((stage for stage in examined.stages if not stage.passed), None), on_record


def _record(session: Session, best: str, attribution: Attribution, evidence: dict[str, Any]) -> None:
    body = attribution.model_dump(mode="json") | {"best": best, "target_digest": session.run.target_digest}
    with session.run.tx() as tx:
        session.append(tx, KIND, best, body | evidence)


_FIRST = (
    "The line of checkpoints begins with it: without it there is no server of our own left. "
    "The comparison with the reference says what it adds."
)
_REPLACED = "Nothing of it is left in the finished system: later changes replaced it."


def _clashing(clashes: Sequence[Clash]) -> str:
    """Why a change cannot be taken out, in plain words."""
    named = "; ".join(f"{printable(clash.path)} {clash.why}" for clash in clashes[:SHOWN_CLASHES])
    more = f"; and {len(clashes) - SHOWN_CLASHES} more" if len(clashes) > SHOWN_CLASHES else ""
    return excerpt(f"Later changes build on it: {named}{more}.", DETAIL_BYTES)


def _brief(said: str) -> str:
    """The first line only: what follows is the end of a hostile log."""
    return excerpt(said.partition("\n")[0], DETAIL_BYTES)
