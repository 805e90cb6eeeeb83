"""The outcome of `vibeserve verify`, of an exported folder or of a run."""

from pathlib import Path
from typing import Literal

from vibeserve.core.rounds import best_attempt, rounds
from vibeserve.core.run import Run
from vibeserve.delivery.facts import Fact
from vibeserve.delivery.verify.agreement import Rerun
from vibeserve.delivery.verify.checks import Check, checked
from vibeserve.delivery.verify.verifying import verify_export
from vibeserve.lab.trees.audit import audit_run

PROVES = {
    "export": (
        "Nothing in the folder was changed since the holder of the key above exported it, and the records that came "
        "along show gate, verdict and measurement on this tree, each signed with that key."
    ),
    "run": "The ledger is whole, chained and signed with the run's key, and every promotion has its evidence.",
}
NOT_PROVEN = {
    "export": (
        "That the records are true: whoever holds a key can sign anything, also an altered folder with a key of "
        "their own. Compare the key with the one that you were told some other way; proof is --rerun."
    ),
    "run": "That the records are true: whoever holds run.key could have written them. Proof is --rerun.",
}
PROVEN_AGAIN = "The tree passed gate and measurement here, run again under a new key and with fresh seeds: {said}."
JUDGES = "Whether the judges are good ones: compare the target's digest with that of the target that you know."
STILL_OPEN = {
    "export": (
        f"{JUDGES} What starts the server outside of it (launch.sh, Dockerfile, requirements.txt, smoke_test.py) and "
        "what README.md says stand by the key alone: they were not run. Read them, or compare the key."
    ),
    "run": JUDGES,
}


class Verification(Fact):
    """Everything that was checked. `ok`: every check is good, and what was run again was not refuted."""

    ok: bool
    kind: Literal["export", "run"]
    source: str
    run: str | None
    tree: str | None
    target_digest: str | None
    public_key: str | None
    checks: list[Check]
    proves: str | None
    does_not_prove: str
    rerun: Rerun | None = None

    def with_rerun(self, rerun: Rerun) -> "Verification":
        """The same with what running it again showed."""
        said = (
            {"proves": PROVEN_AGAIN.format(said=rerun.said), "does_not_prove": STILL_OPEN[self.kind]}
            if rerun.ok
            else {}
        )
        return self.model_copy(update={"rerun": rerun, "ok": self.ok and rerun.ok, **said})


def verify_folder(folder: Path) -> Verification:
    """Verify an exported folder."""
    manifest, checks = verify_export(folder)
    ok = all(check.ok for check in checks)
    return Verification(
        ok=ok,
        kind="export",
        source=str(folder),
        run=manifest.run if manifest else None,
        tree=manifest.tree if manifest else None,
        target_digest=manifest.target_digest if manifest else None,
        public_key=manifest.public_key if manifest else None,
        checks=checks,
        proves=PROVES["export"] if ok else None,
        does_not_prove=NOT_PROVEN["export"],
    )


def verify_run(run: Run) -> Verification:
    """Verify a run directory: the audit, and the evidence on its best checkpoint."""
    outcome = audit_run(run)
    problems = [] if outcome.ok else [f"record {outcome.broken_seq}: {outcome.problem}"]
    checks = [checked("ledger", f"{outcome.records} records chained and signed, head published", problems)]
    best = best_attempt(rounds(run.ledger, run.target_digest)) if outcome.ok else None
    if outcome.ok:
        missing = best.evidence.missing_for_promotion() if best else ["no promoted checkpoint stands"]
        checks.append(
            checked(
                "promotion",
                f"the best stands; promotions with gate, verdict and measurement: {outcome.promotions}",
                missing,
            )
        )
    ok = all(check.ok for check in checks)
    return Verification(
        ok=ok,
        kind="run",
        source=str(run.layout.root),
        run=run.id,
        tree=best.tree if best else None,
        target_digest=run.target_digest,
        public_key=run.key.public_hex,
        checks=checks,
        proves=PROVES["run"] if ok else None,
        does_not_prove=NOT_PROVEN["run"],
    )
