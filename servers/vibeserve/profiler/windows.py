"""One timed window: the target's benchmark against one side, and the figure it wrote."""

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeGuard

from vibeserve.core.errors import CandidateFailed, InfrastructureFailed
from vibeserve.core.session import Session
from vibeserve.core.target import fill
from vibeserve.lab import isolation
from vibeserve.profiler.sides import OUT_AT, Side, client_mounts, client_values

RESULT = "result.json"
MAX_RESULT_BYTES = 64 << 20
EVIDENCE_CHARACTERS = 2000


@dataclass(frozen=True)
class Window:
    """What one benchmark run wrote. `value` is None when the benchmark itself declared it `void`.

    `foreign_cores` is how many cores everything else on this machine kept busy meanwhile.
    """

    pair: int
    side: str
    seed: int
    value: float | None
    void: str | None
    seconds: float
    service_cpu_s: float
    foreign_cores: float
    document: dict[str, Any]
    samples: tuple[dict[str, Any], ...] | None

    def to_json(self) -> dict[str, Any]:
        """The window for the record: all figures, no prompts."""
        figures = asdict(self)
        figures.pop("samples")
        return figures


def run_window(session: Session, side: Side, pair: int, seed: int, out: Path) -> Window:
    """Run the target's benchmark against `side` alone, with `seed`.

    Raises CandidateFailed when the candidate died or served nothing, InfrastructureFailed when the benchmark
    did not work while it was alive.
    """
    out.mkdir()
    with side.running():
        started, cpu_before, busy_before = time.monotonic(), side.service.process.cpu_s(), busy_s()
        outcome = isolation.run(_job(session, side, seed, out), network=side.network, cancel=session.cancelled)
        seconds, cpu_s = time.monotonic() - started, side.service.process.cpu_s() - cpu_before
        foreign_s = busy_s() - busy_before - cpu_s - outcome.cpu_s
        if outcome.status == "cancelled":
            raise InfrastructureFailed("The session ended during the measurement.", "Call measure again.")
        side.require_alive()
    document = _document(outcome, out)
    value, void = figure(document, session.run.target.benchmark.metric)
    if value == 0 and not void:
        _served_nothing(side)
    return Window(
        pair=pair,
        side="candidate" if side.is_candidate else "other",
        seed=seed,
        value=None if void else value,
        void=void,
        seconds=seconds,
        service_cpu_s=cpu_s,
        foreign_cores=round(max(0.0, foreign_s / seconds), 3),
        document={key: entry for key, entry in document.items() if key != "samples"},
        samples=_samples(document),
    )


def busy_s() -> float:
    """CPU seconds that this machine's cores have worked since boot."""
    import psutil

    times = psutil.cpu_times()
    return float(times.user + times.system + getattr(times, "irq", 0.0) + getattr(times, "softirq", 0.0))


def figure(document: dict[str, Any], path: str) -> tuple[float | None, str | None]:
    """The number at dotted `path`, and the reason in `void` beside it, if there is one.

    Raises InfrastructureFailed unless the number is finite and not negative, or the window is void.
    """
    parent: Any = document
    *folders, name = path.split(".")
    for folder in folders:
        parent = parent.get(folder) if isinstance(parent, dict) else None
    holder = parent if isinstance(parent, dict) else {}
    void = str(holder["void"])[:300] if holder.get("void") else None
    value = holder.get(name)
    if _is_figure(value):
        return float(value), void
    if void:
        return None, void
    raise InfrastructureFailed(
        f"The benchmark wrote no finite, non-negative number at {path}.",
        "Correct the target's benchmark or its metric path.",
        evidence=f"{path} = {json.dumps(value)[:200]}",
    )


def _is_figure(value: Any) -> TypeGuard[int | float]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0


def _job(session: Session, side: Side, seed: int, out: Path) -> isolation.Job:
    run, benchmark = session.run, session.run.target.benchmark
    values = client_values(run) | {"url": side.service.url, "seed": seed, "out": f"{OUT_AT}/{RESULT}"}
    return isolation.Job(
        command=fill(benchmark.command, values),
        mounts=client_mounts(run, out),
        cwd=OUT_AT,
        limits=isolation.Limits(wall_s=benchmark.timeout_s),
    )


def _document(outcome: isolation.Outcome, out: Path) -> dict[str, Any]:
    if not outcome.ok:
        status = f"exit status {outcome.exit_code}" if outcome.status == "exited" else outcome.status
        raise InfrastructureFailed(
            f"The target's benchmark failed ({status}) while the server was alive.",
            "Read the evidence; run the benchmark by hand as the target's README says.",
            evidence=f"{outcome.stderr}\n{outcome.stdout}"[-EVIDENCE_CHARACTERS:],
        )
    path = out / RESULT
    try:
        if path.is_symlink() or path.stat().st_size > MAX_RESULT_BYTES:
            raise ValueError("it is a link or too large")
        document = json.loads(path.read_bytes())
        if not isinstance(document, dict):
            raise ValueError("it is not a JSON object")
    except (OSError, ValueError) as error:
        raise InfrastructureFailed(
            "The target's benchmark wrote no readable result.",
            "It must write one JSON object to {out}.",
            evidence=str(error)[:EVIDENCE_CHARACTERS],
        ) from error
    return document


def _served_nothing(side: Side) -> None:
    if side.is_candidate:
        raise CandidateFailed(
            "The candidate served nothing in a timed window.",
            "Its log shows what it did under load.",
            evidence=side.service.log_tail(),
        )
    raise InfrastructureFailed(
        "The side that the candidate is measured against served nothing in a timed window.",
        "Measure again; report this if it repeats.",
        evidence=side.service.log_tail(),
    )


def _samples(document: dict[str, Any]) -> tuple[dict[str, Any], ...] | None:
    """The timed requests with their responses, or None when this benchmark writes none."""
    samples = document.get("samples")
    if not isinstance(samples, list):
        return None
    return tuple(sample for sample in samples if isinstance(sample, dict))
