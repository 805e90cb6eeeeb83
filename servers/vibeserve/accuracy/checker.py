"""Stage checker: the target's own accuracy checker, the source of truth, over HTTP from its own sandbox."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vibeserve.accuracy.control import reference_as_control
from vibeserve.accuracy.stand import Stand
from vibeserve.core.errors import CandidateFailed, InfrastructureFailed, VibeServeError
from vibeserve.lab.isolation import Network, Outcome
from vibeserve.lab.judging import Stage
from vibeserve.lab.serving import Service
from vibeserve.lab.stand.judges import OUT_AT, describe_end, run_judge, said
from vibeserve.lab.stand.outputs import holder_of, look_up, read_document

NAME = "checker"
CONTROL = "checker-control"
MAX_FIGURES = 12


@dataclass(frozen=True)
class Checked:
    """One run of the checker. `found` is what stands at the declared path, whatever it is."""

    outcome: Outcome
    found: Any
    figures: dict[str, float | int | str]

    @property
    def verdict(self) -> bool | None:
        """The checker's word; None where it gave none that can be trusted."""
        trusted = isinstance(self.found, bool) and (not self.found or self.outcome.ok)
        return self.found if trusted else None


def checker(stand: Stand) -> Stage:
    """Run the checker on the candidate in the judging dtype.

    Its verdict is the boolean at the declared path of the JSON it writes to {out}. A checker that crashes or
    writes no such boolean while the candidate is alive is InfrastructureFailed; a candidate that died is
    CandidateFailed. One that does not end is tried on the reference, which tells whose fault it is.
    """
    service = stand.serving(stand.run.target.numeric.dtype)
    stand.progress("checker: running the target's accuracy checker")
    seed = stand.seeds[NAME] = secrets.randbits(31)
    checked = _check(stand, service, stand.network, seed, stand.scratch / NAME)
    service.require_alive()
    if checked.verdict is None:
        if checked.outcome.status == "timed_out":
            stand.stop()
            raise _unending(stand, checked, seed)
        raise _no_verdict(checked, stand.run.target.checker.passed)
    return Stage(
        name=NAME,
        status="passed" if checked.verdict else "failed",
        measured={"passed": int(checked.verdict), **checked.figures},
        threshold={"passed": 1},
        feedback="" if checked.verdict else "The target's accuracy checker says that the answers are not right.",
    )


def _check(stand: Stand, service: Service, network: Network, seed: int, out: Path) -> Checked:
    """Run the checker once against a service that listens in `network`."""
    declared = stand.run.target.checker
    out.mkdir()
    values = {
        "url": service.url,
        "seed": seed,
        "out": f"{OUT_AT}/result.json",
        "dtype": stand.run.target.numeric.dtype,
    }
    limit_s = stand.run.timeout_s(declared.timeout_s)
    outcome = run_judge(stand.session, declared.command, values, out, limit_s, network)
    result = read_document(out / "result.json")
    return Checked(outcome, look_up(result, declared.passed), _figures(holder_of(result, declared.passed)))


def _unending(stand: Stand, checked: Checked, seed: int) -> VibeServeError:
    """The control: the same checks against the reference. Only if it passes in time is the candidate to blame."""
    stand.progress("checker: it did not end; running it against the reference as a control")
    with reference_as_control(stand, stand.run.target.numeric.dtype) as (service, network):
        control = _check(stand, service, network, seed, stand.scratch / CONTROL)
    if control.verdict is not True:
        return _no_verdict(checked, stand.run.target.checker.passed)
    return CandidateFailed(
        f"The target's accuracy checker passes on the reference in {control.outcome.seconds:.0f} s and does not end "
        f"on this candidate within {checked.outcome.seconds:.0f} s.",
        "Answer every request, as fast as the reference does, and end each stream with [DONE].",
    )


def _figures(holder: dict[str, Any]) -> dict[str, float | int | str]:
    """The finite numbers beside the verdict; no text, which could give the checker's data away."""
    figures = {
        name[:40]: value for name, value in holder.items() if type(value) in (int, float) and abs(value) < float("inf")
    }
    return dict(list(figures.items())[:MAX_FIGURES])


def _no_verdict(checked: Checked, path: str) -> InfrastructureFailed:
    """The checker's own failure; the candidate is alive."""
    if not checked.outcome.ok:
        reason = describe_end(checked.outcome)
    else:
        shown = "nothing" if checked.found is None else f"a {type(checked.found).__name__}"
        reason = f"its result holds {shown} at {path!r} where a boolean belongs"
    return InfrastructureFailed(
        f"The target's accuracy checker gave no verdict: {reason}.",
        "Run the checker by hand against the reference and correct it; the candidate is not to blame.",
        evidence=said(checked.outcome),
    )
