"""The two panels of the trajectory: the speed-ups, and below them what never got one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vibeserve.delivery.facts import BaselineFacts, Report, RoundFacts, Speedup
from vibeserve.delivery.report.marks import BEST, KINDS, Kind, kind_of, stopped_at
from vibeserve.delivery.wording import short, times

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOG_SPAN = 4.0
OVERSHOOT = 3.0  # an interval may stretch the axis this far beyond what it belongs to; the rest of its bar is cut
CROWDED = 0.09  # of the axis' height: two names closer than that would lie on one another
GREY = "#666666"
MANY_ROUNDS = 14


def is_crowded(report: Report) -> bool:
    """Whether there are too many columns for words in each."""
    return len(report.rounds) > MANY_ROUNDS


def _shown(report: Report) -> Iterator[tuple[int, RoundFacts, Kind, Speedup]]:
    """The rounds that have a point, with their column."""
    for column, item in enumerate(report.rounds):
        kind = kind_of(item)
        if kind is not None and item.speedup is not None:
            yield column, item, kind, item.speedup


def _baselines(report: Report) -> list[tuple[BaselineFacts, Speedup]]:
    return [(baseline, baseline.speedup) for baseline in report.baselines if baseline.speedup]


def scale(axes: "Axes", report: Report) -> None:
    """A logarithmic axis where the values span more than LOG_SPAN; very wide intervals do not set its ends."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    shown = [speedup for *_, speedup in _shown(report)] + ([report.confirmed] if report.confirmed else [])
    values = [speedup.ratio for speedup in [*shown, *(one for _, one in _baselines(report))]]
    low = min([*values, *(max(one.ci95[0], one.ratio / OVERSHOOT) for one in shown)])
    high = max([*values, *(min(one.ci95[1], one.ratio * OVERSHOOT) for one in shown)])
    if max(values) / min(values) > LOG_SPAN:
        axes.set_yscale("log", base=2)
        axes.yaxis.set_major_locator(LogLocator(base=2))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(low / 1.25, high * 1.7)
    else:
        axes.set_ylim(max(0.0, low - 0.1 * high), high * 1.25)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="x", length=0)


def lines(axes: "Axes", report: Report) -> None:
    """Parity and the strong baseline, each named at the right end of its line."""
    lines = sorted(_baselines(report), key=lambda pair: pair[1].ratio)
    heights = [axes.transAxes.inverted().transform(axes.transData.transform((0, one.ratio)))[1] for _, one in lines]
    crowded = len(heights) == 2 and heights[1] - heights[0] < CROWDED
    for index, (baseline, speedup) in enumerate(lines):
        style = (0, (6, 4)) if not baseline.strong else (0, (2, 2))
        axes.axhline(speedup.ratio, color=GREY, linewidth=1.3, linestyle=style, zorder=1)
        named = (
            f"{short(baseline.name, 20, 1)}\n" + ("strong baseline, " if baseline.strong else "") + times(speedup.ratio)
        )
        axes.annotate(
            named,
            xy=(1.006, speedup.ratio),
            xycoords=axes.get_yaxis_transform(),
            va=("top", "bottom")[index] if crowded else "center",
            fontsize=9,
            color="#333333",
        )


def steps(axes: "Axes", report: Report) -> None:
    """What was kept, as a staircase."""
    kept = [(column, speedup.ratio) for column, _, kind, speedup in _shown(report) if kind is KINDS["promoted"]]
    if kept:
        end = (len(report.rounds) - 1, kept[-1][1])
        columns, ratios = zip((-0.6, 1.0), *kept, end, strict=True)
        axes.step(columns, ratios, where="post", color=KINDS["promoted"].colour, linewidth=1.6, alpha=0.55, zorder=2)


def points(axes: "Axes", report: Report) -> None:
    """Each measured candidate with its interval, and the confirmed best in a column of its own."""
    kept = 1.0
    for column, item, kind, speedup in _shown(report):
        _bar(axes, column, kind, speedup)
        if not is_crowded(report):
            _value(axes, column, kind, speedup, _said(item, speedup), above=speedup.ratio >= kept)
        kept = speedup.ratio if kind is KINDS["promoted"] else kept
    if report.confirmed:
        _bar(axes, len(report.rounds), BEST, report.confirmed)
        _value(axes, len(report.rounds), BEST, report.confirmed, times(report.confirmed.ratio), above=True)


def _said(item: RoundFacts, speedup: Speedup) -> str:
    """The speed-up, and below it the step that decided the round: against its parent."""
    step = f"\nstep {times(item.vs_parent.ratio)}" if item.vs_parent and speedup.chained else ""
    return f"{times(speedup.ratio)}{step}"


def _bar(axes: "Axes", column: int, kind: Kind, speedup: Speedup) -> None:
    below, above = speedup.ratio - speedup.ci95[0], speedup.ci95[1] - speedup.ratio
    axes.errorbar(
        [column],
        [speedup.ratio],
        yerr=[[below], [above]],
        fmt=kind.marker,
        markersize=kind.size,
        markerfacecolor=kind.colour if kind.filled else "white",
        markeredgecolor=kind.edge or kind.colour,
        markeredgewidth=1.6,
        ecolor=kind.edge or kind.colour,
        elinewidth=1.5,
        capsize=4,
        label=kind.label,
        zorder=4,
    )


def _value(axes: "Axes", column: int, kind: Kind, speedup: Speedup, said: str, *, above: bool) -> None:
    """Words at a point, beyond the end of its bar and outside its mark, on the side where the staircase is not."""
    low, high = axes.get_ylim()
    end = min(speedup.ci95[1], high / 1.3) if above else max(speedup.ci95[0], low * 1.08)
    clear = kind.size / 2 + 4 if abs(end / speedup.ratio - 1) < 0.06 else 6
    axes.annotate(
        said,
        xy=(column, end),
        xytext=(0, clear if above else -clear),
        textcoords="offset points",
        ha="center",
        va="bottom" if above else "top",
        fontsize=11 if kind is BEST else 10,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
        zorder=5,
    )


def strip(axes: "Axes", report: Report) -> None:
    """What never got a point: the stage that caught it."""
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_ylabel("caught by\ngate stage", rotation=0, ha="right", va="center", color=GREY)
    for column, item in enumerate(report.rounds):
        stopped = stopped_at(item)
        if stopped:
            axes.plot([column], [0.74], marker="x", color="black", markersize=8, markeredgewidth=2)
        if is_crowded(report):
            continue
        if stopped:
            axes.annotate(short(", ".join(stopped), 18, 2), (column, 0.42), ha="center", va="top", fontsize=9)
        elif item.speedup is None:
            axes.annotate("not measured", (column, 0.6), ha="center", va="top", fontsize=9, color=GREY)
