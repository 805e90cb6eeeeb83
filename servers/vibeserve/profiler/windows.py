"""One timed window: the target's benchmark against one side, and the figure it wrote."""

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeGuard

from vibeserve.core.artifacts import printable
from vibeserve.core.errors import CandidateFailed, InfrastructureFailed
from vibeserve.core.session import Session
from vibeserve.lab.isolation import Outcome
from vibeserve.lab.stand.judges import OUT_AT, describe_end, run_judge, said
from vibeserve.lab.stand.outputs import holder_of, read_document
from vibeserve.profiler.sides import Side

RESULT = "result.json"
EVIDENCE_CHARACTERS = 2000
REASON_CHARACTERS = 300


@dataclass(frozen=True)
class Unended:
    """A benchmark that did not end in its time while its server was alive: whose fault it is must be seen."""

    outcome: Outcome

    def failure(self) -> InfrastructureFailed:
        """The benchmark's own failure."""
        return _benchmark_failed(self.outcome)


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


def run_window(session: Session, side: Side, pair: int, seed: int, out: Path) -> Window | Unended:
    """Run the target's benchmark against `side` alone, with `seed`.

    Raises CandidateFailed when the candidate died or did not serve, InfrastructureFailed when the other side did
    so or when the benchmark did not work while its server was alive.
    """
    benchmark = session.run.target.benchmark
    limit_s = session.run.timeout_s(benchmark.timeout_s)
    out.mkdir()
    values = {"url": side.service.url, "seed": seed, "out": f"{OUT_AT}/{RESULT}"}
    with side.running():
        started, cpu_before, busy_before = time.monotonic(), side.service.process.cpu_s(), busy_s()
        outcome = run_judge(session, benchmark.command, values, out, limit_s, side.network)
        seconds, cpu_s = time.monotonic() - started, side.service.process.cpu_s() - cpu_before
        foreign_s = busy_s() - busy_before - cpu_s - outcome.cpu_s
        side.require_alive()
    if outcome.status == "timed_out":
        return Unended(outcome)
    document = _document(outcome, out)
    value, void = _served(side, document, benchmark.metric)
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
    holder = holder_of(document, path)
    void = str(holder["void"])[:REASON_CHARACTERS] if holder.get("void") else None
    value = holder.get(path.rpartition(".")[2])
    if is_figure(value):
        return float(value), void
    if void:
        return None, void
    raise InfrastructureFailed(
        f"The benchmark wrote no finite, non-negative number at {path}.",
        "Correct the target's benchmark or its metric path.",
        evidence=f"{path} = {json.dumps(value)[:200]}",
    )


def is_figure(value: Any) -> TypeGuard[int | float]:
    """Whether a benchmark's value is a finite number that is not negative."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0


def _served(side: Side, document: dict[str, Any], path: str) -> tuple[float | None, str | None]:
    """`figure`, once it is sure that the side served: `"served": false` beside the metric says that it did not."""
    holder = holder_of(document, path)
    if holder.get("served") is False:
        reason = printable(str(holder.get("reason") or "none given"))[:REASON_CHARACTERS]
        raise_unserved(side, "the benchmark found that it does not serve", f"the benchmark's reason: {reason}\n")
    value, void = figure(document, path)
    if value == 0 and not void:
        raise_unserved(side, "it served nothing")
    return value, void


def raise_unserved(side: Side, reason: str, evidence: str = "") -> None:
    """Raise CandidateFailed when the candidate did not serve a timed window, InfrastructureFailed for the other.

    `reason` is ours; what quotes the server belongs into `evidence`, which its log's end follows.
    """
    with side.blame():
        raise CandidateFailed(
            f"The server failed a timed window: {reason}.",
            "Its log shows what it did under load.",
            evidence=f"{evidence}{side.service.log_tail()}",
        )


def _document(outcome: Outcome, out: Path) -> dict[str, Any]:
    if not outcome.ok:
        raise _benchmark_failed(outcome)
    document = read_document(out / RESULT)
    if not isinstance(document, dict):
        raise InfrastructureFailed(
            "The target's benchmark wrote no readable result.", "It must write one JSON object to {out}."
        )
    return document


def _benchmark_failed(outcome: Outcome) -> InfrastructureFailed:
    return InfrastructureFailed(
        f"The target's benchmark failed while the server was alive: {describe_end(outcome)}.",
        "Read the evidence; run the benchmark by hand as the target's README says.",
        evidence=said(outcome)[-EVIDENCE_CHARACTERS:],
    )


def _samples(document: dict[str, Any]) -> tuple[dict[str, Any], ...] | None:
    """The timed requests with their responses, or None when this benchmark writes none."""
    samples = document.get("samples")
    if not isinstance(samples, list):
        return None
    return tuple(sample for sample in samples if isinstance(sample, dict))
