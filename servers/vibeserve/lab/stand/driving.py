"""Requests of a plan, driven at a service from a client sandbox of our own."""

import json
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from vibeserve.core.errors import CandidateFailed, InfrastructureFailed
from vibeserve.core.session import Session
from vibeserve.lab.isolation import Network
from vibeserve.lab.load import Plan, Sample
from vibeserve.lab.serving import Service
from vibeserve.lab.stand.judges import OUT_AT, describe_end, run_judge
from vibeserve.lab.stand.outputs import read_output

CLIENT = ("{python}", "-I", "-m", "vibeserve.lab.load", "--url", "{url}", "--plan", "{plan}", "--out", "{out}")
DRAIN = ("--drain-s", "{drain_s}")
MARGIN_S = 60.0

_SAMPLES = TypeAdapter(tuple[Sample, ...])


def drive_plan(session: Session, service: Service, network: Network, plan: Plan, out: Path) -> tuple[Sample, ...]:
    """The samples of `plan`, every request given the time that the target allows its reference.

    `out` is a new folder. Raises CandidateFailed when the service died under it or answered out of all measure.
    """
    out.mkdir()
    (out / "plan.json").write_text(plan.model_dump_json())
    drain_s = session.run.timeout_s(session.run.target.reference.timeout_s)
    values = {
        "url": service.url,
        "plan": f"{OUT_AT}/plan.json",
        "out": f"{OUT_AT}/samples.json",
        "drain_s": drain_s,
    }
    outcome = run_judge(session, (*CLIENT, *DRAIN), values, out, plan.window_s + drain_s + MARGIN_S, network)
    service.require_alive()
    if not outcome.ok:
        raise InfrastructureFailed(
            f"The load generator failed: {describe_end(outcome)}.",
            "Call again; `vibeserve doctor` checks this machine.",
            evidence=outcome.stderr,
        )
    return _samples(out / "samples.json")


def _samples(path: Path) -> tuple[Sample, ...]:
    written = read_output(path)
    if written is None:
        raise CandidateFailed(
            "Its answers are far larger than what was asked for.",
            "Send max_tokens tokens at most, then end the stream.",
        )
    try:
        return _SAMPLES.validate_python(json.loads(written)["samples"])
    except (ValueError, KeyError, ValidationError) as error:
        raise InfrastructureFailed(
            "The load generator's samples cannot be read.", "Call again.", evidence=str(error)[:2000]
        ) from error
