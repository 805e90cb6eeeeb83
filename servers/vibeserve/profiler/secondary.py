"""Secondary figures: read from the windows that were timed anyway, and compared like the headline."""

import statistics
from collections.abc import Sequence

from vibeserve.core.artifacts import printable
from vibeserve.core.target import Benchmark, SecondaryMetric
from vibeserve.lab.load import compare
from vibeserve.lab.stand.outputs import look_up
from vibeserve.profiler.pairs import Timed
from vibeserve.profiler.results import Also, Pair
from vibeserve.profiler.windows import Window, is_figure

REASON_CHARACTERS = 200


class _Missing(Exception):
    """A window holds no such figure; the message says why."""


def secondary(benchmark: Benchmark, timed: Timed) -> list[Also]:
    """Every figure that the target declares in `also`, over the pairs that count.

    A figure that one window lacks is left out as a whole, with the reason: to leave out single pairs would choose
    among them.
    """
    return [_figure(declared, timed, benchmark.relative_noise) for declared in benchmark.also]


def pooled(figure: Also, earlier: Sequence[Also], relative_noise: float) -> Also:
    """`figure` over its own pairs and those of earlier measurements; missing where one of them lacks it.

    To leave out a single measurement would choose among them, as it would with pairs.
    """
    if figure.missing is not None:
        return figure
    lacking = next((entry.missing for entry in earlier if entry.missing is not None), None)
    if lacking is not None:
        kept = figure.model_dump(include={"name", "unit", "direction", "values"})
        return Also(**kept, missing=lacking)
    before = [pair for entry in earlier for pair in entry.values]
    return _compared(figure, before + figure.values, relative_noise)


def geometric_means(pairs: Sequence[Pair]) -> Pair:
    """The means of both sides; `ratio` of their comparison is the one over the other."""
    mine, other = zip(*pairs, strict=True)
    return statistics.geometric_mean(mine), statistics.geometric_mean(other)


def _figure(declared: SecondaryMetric, timed: Timed, relative_noise: float) -> Also:
    empty = Also(name=declared.name, unit=declared.unit, direction=declared.direction)
    try:
        values = [_pair(declared, timed, seed) for seed in timed.seeds]
    except _Missing as error:
        return empty.model_copy(update={"missing": str(error)})
    return _compared(empty.model_copy(update={"values": values}), values, relative_noise)


def _compared(figure: Also, pairs: Sequence[Pair], relative_noise: float) -> Also:
    comparison = compare(pairs, direction=figure.direction, relative_noise=relative_noise)
    value, against_value = geometric_means(pairs)
    return figure.model_copy(
        update={
            "value": value,
            "against_value": against_value,
            "ratio": comparison.ratio,
            "ci95": comparison.ci95,
            "pairs": comparison.pairs,
            "outcome": comparison.verdict,
        }
    )


def _pair(declared: SecondaryMetric, timed: Timed, seed: int) -> Pair:
    """What both sides' windows of one counted pair say, the candidate's first."""
    by_side = {window.side: window for window in timed.windows if window.seed == seed}
    return _value(declared, by_side["candidate"]), _value(declared, by_side["other"])


def _value(declared: SecondaryMetric, window: Window) -> float:
    where = f"a window of {'the candidate' if window.side == 'candidate' else 'the other side'}"
    parts = declared.metric.split(".")
    for end in range(1, len(parts)):
        holder = look_up(window.document, ".".join(parts[:end]))
        if isinstance(holder, dict) and holder.get("void"):
            raise _Missing(f"{where} is void there: {printable(str(holder['void']))}"[:REASON_CHARACTERS])
    value = look_up(window.document, declared.metric)
    if not is_figure(value) or value == 0:
        raise _Missing(f"{where} has no positive number at {declared.metric}, as where too few answers came.")
    return float(value)
