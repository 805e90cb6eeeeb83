"""Judges: commands of the target or of ours, each run to its end in a sandbox that no candidate shares."""

import sys
from collections.abc import Mapping
from pathlib import Path

from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.core.target import fill
from vibeserve.lab.isolation import Job, Limits, Mount, Network, Outcome, python_runtime, run, vibeserve_source
from vibeserve.lab.stand.cancelling import require_wanted

TARGET_AT, MODEL_AT, OUT_AT = "/target", "/model", "/out"


def run_judge(
    session: Session,
    command: tuple[str, ...],
    values: Mapping[str, object],
    out: Path,
    wall_s: float,
    network: Network | None = None,
) -> Outcome:
    """Run a judge: it sees this package, target and model read-only, and `out` at /out to write.

    `values` are its placeholders beside {python} {target} {model} {dtype} {preset}. It reaches what listens in
    `network`. Raises InfrastructureFailed when the session was cancelled.
    """
    job = Job(
        command=fill(command, {**_common_values(session.run), **values}),
        mounts=_mounts(session.run, out),
        cwd=OUT_AT,
        limits=judge_limits(session.run, wall_s),
    )
    outcome = run(job, network=network, cancel=session.cancelled)
    require_wanted(session)
    return outcome


def judge_limits(run: Run, wall_s: float) -> Limits:
    """A judge may hold the model too: it gets the memory of the launch contract, and never less than usual."""
    return Limits(wall_s=wall_s, memory_bytes=max(Limits().memory_bytes, int(run.launch.memory_gib * 2**30)))


def describe_end(outcome: Outcome) -> str:
    """How a judge ended, in words."""
    if outcome.status == "timed_out":
        return f"it did not end within {outcome.seconds:.0f} s"
    if outcome.status == "exited":
        return f"it ended with exit status {outcome.exit_code}"
    return f"it ended as {outcome.status}"


def said(outcome: Outcome) -> str:
    """What a judge wrote to its streams: evidence."""
    return f"stdout:\n{outcome.stdout}\nstderr:\n{outcome.stderr}"


def _common_values(run: Run) -> dict[str, object]:
    return {
        "python": sys.executable,
        "target": TARGET_AT,
        "model": MODEL_AT,
        "preset": run.preset_name,
        "dtype": run.preset.dtype,
    }


def _mounts(run: Run, out: Path) -> tuple[Mount, ...]:
    return (
        *python_runtime(),
        vibeserve_source(),
        Mount(run.layout.target, TARGET_AT),
        Mount(run.model, MODEL_AT),
        Mount(out, OUT_AT, writable=True),
    )
