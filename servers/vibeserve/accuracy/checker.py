"""Stage checker: the target's own accuracy checker, the source of truth, over HTTP from its own sandbox."""

import json
import secrets
from typing import Any

from vibeserve.accuracy.stand import OUT_AT, Stand, read_output
from vibeserve.core.errors import InfrastructureFailed
from vibeserve.lab.isolation import Outcome
from vibeserve.lab.judging import Stage

NAME = "checker"
MAX_FIGURES = 12


def checker(stand: Stand) -> Stage:
    """Run the checker. Its verdict is the boolean at the declared path of the JSON it writes to {out}.

    A checker that hangs, crashes or writes no such boolean while the candidate is alive is
    InfrastructureFailed; a candidate that died is CandidateFailed.
    """
    declared = stand.run.target.checker
    service = stand.serving(stand.run.preset.dtype)
    stand.progress("checker: running the target's accuracy checker")
    seed = stand.seeds[NAME] = secrets.randbits(31)
    out = stand.folder(NAME)
    values = {
        "url": service.url,
        "seed": seed,
        "out": f"{OUT_AT}/result.json",
        "preset": stand.run.preset_name,
    }
    outcome = stand.judge(declared.command, values, out, declared.timeout_s, online=True)
    service.require_alive()
    result = _result(read_output(out / "result.json"))
    passed = look_up(result, declared.passed)
    if not isinstance(passed, bool) or (passed and not outcome.ok):
        raise _no_verdict(outcome, declared.passed, passed)
    return Stage(
        name=NAME,
        status="passed" if passed else "failed",
        measured={"passed": int(passed), **_figures(result, declared.passed)},
        threshold={"passed": 1},
        feedback="" if passed else "The target's accuracy checker says that the answers are not right.",
    )


def look_up(document: Any, path: str) -> Any:
    """The value at a dotted path, None where there is none. Whole numbers index lists."""
    for part in path.split("."):
        if isinstance(document, dict):
            document = document.get(part)
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document


def _result(written: bytes | None) -> Any:
    try:
        return json.loads(written) if written is not None else None
    except (ValueError, RecursionError):
        return None


def _figures(result: Any, path: str) -> dict[str, float | int | str]:
    """The finite numbers beside the verdict; no text, which could give the checker's data away."""
    parent = look_up(result, path.rpartition(".")[0]) if "." in path else result
    figures = {
        name[:40]: value for name, value in parent.items() if type(value) in (int, float) and abs(value) < float("inf")
    }
    return dict(list(figures.items())[:MAX_FIGURES])


def _no_verdict(outcome: Outcome, path: str, found: Any) -> InfrastructureFailed:
    """The checker's own failure; the candidate is alive."""
    if outcome.status == "timed_out":
        reason = f"it did not end within {outcome.seconds:.0f} s"
    elif not outcome.ok:
        reason = f"it ended as {outcome.status}, exit status {outcome.exit_code}"
    else:
        shown = "nothing" if found is None else f"a {type(found).__name__}"
        reason = f"its result holds {shown} at {path!r} where a boolean belongs"
    return InfrastructureFailed(
        f"The target's accuracy checker gave no verdict: {reason}.",
        "Run the checker by hand against the reference and correct it; the candidate is not to blame.",
        evidence=f"stdout:\n{outcome.stdout}\nstderr:\n{outcome.stderr}",
    )
