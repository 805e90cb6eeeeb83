"""Hidden requests, driven at the candidate from a client sandbox of our own."""

import json
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from vibeserve.accuracy.stand import OUT_AT, Stand, read_output
from vibeserve.core.errors import CandidateFailed, InfrastructureFailed
from vibeserve.lab.load import Plan, Sample

CLIENT = (
    "{python}",
    "-I",
    "-m",
    "vibeserve.lab.load",
    "--url",
    "{url}",
    "--plan",
    "{plan}",
    "--out",
    "{out}",
)
MARGIN_S = 60.0

_SAMPLES = TypeAdapter(tuple[Sample, ...])


def drive_hidden(stand: Stand, name: str, dtype: str, plan: Plan) -> tuple[Sample, ...]:
    """The samples of `plan`, every request given the time that the target allows its reference.

    Raises CandidateFailed when the candidate died under it.
    """
    drain_s = stand.run.target.reference.timeout_s
    service = stand.serving(dtype)
    out = stand.folder(name)
    (out / "plan.json").write_text(plan.model_dump_json())
    values = {
        "url": service.url,
        "plan": f"{OUT_AT}/plan.json",
        "out": f"{OUT_AT}/samples.json",
        "drain_s": drain_s,
    }
    wall_s = plan.window_s + drain_s + MARGIN_S
    outcome = stand.judge((*CLIENT, "--drain-s", "{drain_s}"), values, out, wall_s, online=True)
    service.require_alive()
    if not outcome.ok:
        raise InfrastructureFailed(
            f"The client of stage {name} ended as {outcome.status}, exit status {outcome.exit_code}.",
            "Call run_gate again; `vibeserve doctor` checks this machine.",
            evidence=outcome.stderr,
        )
    return _samples(out / "samples.json")


def read_pool(path: Path) -> list[str]:
    """The passages of a target's prompt pool: one a line, as text, as a JSON string, or as {"text": …}."""
    passages = [_passage(line) for line in path.read_text().splitlines()]
    return [passage for passage in passages if passage.strip()]


def _passage(line: str) -> str:
    try:
        value = json.loads(line)
    except ValueError:
        return line
    if isinstance(value, dict):
        value = value.get("text", value.get("prompt"))
    return value if isinstance(value, str) else line


def _samples(path: Path) -> tuple[Sample, ...]:
    written = read_output(path)
    if written is None:
        raise CandidateFailed(
            "Its answers to the hidden prompts are far larger than what was asked for.",
            "Send max_tokens tokens at most, then end the stream.",
        )
    try:
        return _SAMPLES.validate_python(json.loads(written)["samples"])
    except (ValueError, KeyError, ValidationError) as error:
        raise InfrastructureFailed(
            "The client's samples cannot be read.", "Call run_gate again.", evidence=str(error)[:2000]
        ) from error
