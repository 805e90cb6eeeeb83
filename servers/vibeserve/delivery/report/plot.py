"""The trajectory of a run as a picture: speed-up over the reference per round, with intervals."""

import itertools
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vibeserve.delivery.facts import Report
from vibeserve.delivery.report import panels
from vibeserve.delivery.wording import short, with_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE_INCHES = (12.0, 7.2)
DOTS_PER_INCH = 100
LINE_CHARACTERS = (120, 100, 80, 60)  # of a title over all columns, tried in this order
TITLE_LINES = 4
TICKS = 20
LOOK: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.parse_math": False,  # a title by an agent is text, never a formula
    "svg.hashsalt": "vibeserve",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(report: Report, folder: Path) -> list[Path]:
    """Write trajectory.png and trajectory.svg into `folder`."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    paths = [folder / "trajectory.png", folder / "trajectory.svg"]
    with mpl.rc_context(LOOK), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH)
        _compose(figure, report)
        figure.savefig(paths[0], metadata={"Software": None})
        figure.savefig(paths[1], metadata={"Date": None, "Creator": None})
    return paths


def _compose(figure: "Figure", report: Report) -> None:
    """The speed-ups above, what the gate caught below, then round titles and the caption."""
    main, strip = figure.subplots(2, 1, sharex=True, height_ratios=[6, 0.8])
    figure.subplots_adjust(left=0.08, right=0.86, top=0.85, bottom=0.22, hspace=0.06)
    columns = len(report.rounds) + (1 if report.confirmed else 0)
    main.set_xlim(-0.6, columns - 0.4)
    panels.scale(main, report)
    panels.lines(main, report)
    panels.steps(main, report)
    panels.points(main, report)
    panels.strip(strip, report)
    _titles(figure, strip, report)
    _words(figure, report)
    # Each kind of mark once, above the axes, where no point can lie under it.
    handles = {handle.get_label(): handle for handle in main.get_legend_handles_labels()[0]}
    figure.legend(
        handles.values(), handles.keys(), loc="upper left", bbox_to_anchor=(0.07, 0.915), ncols=6, frameon=False
    )


def _titles(figure: "Figure", axes: "Axes", report: Report) -> None:
    """Round and shortened issue under each column, as wide as they fit; ids alone where there are many."""
    if panels.is_crowded(report):
        every = math.ceil(len(report.rounds) / TICKS)
        shown = report.rounds[::every]
        axes.set_xticks(range(0, len(report.rounds), every), [item.round for item in shown], fontsize=9)
        return
    for characters in LINE_CHARACTERS:
        labels = _labels(report, max(4, characters // (len(report.rounds) + 1)))
        axes.set_xticks(range(len(labels)), labels, fontsize=9)
        figure.draw_without_rendering()
        boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
        if all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes)):
            return


def _labels(report: Report, width: int) -> list[str]:
    again = [f"{report.best.round} again\nbest, on\nfresh seeds"] if report.confirmed and report.best else []
    return [f"{item.round}\n{short(item.title, width, TITLE_LINES)}" for item in report.rounds] + again


def _words(figure: "Figure", report: Report) -> None:
    faster = "more" if report.direction == "higher" else "less"
    figure.text(0.08, 0.955, f"{short(report.title, 60, 1)}: speed-up over the reference, round by round", fontsize=15)
    about = (f"{report.unit}, {faster} is better", report.run, report.preset, _hardware(report))
    subtitle = " · ".join(short(part, 60, 1) for part in about)
    figure.text(0.08, 0.927, subtitle, fontsize=9.5, color=panels.GREY)
    figure.text(0.08, 0.018, _caption(report), fontsize=8.5, color=panels.GREY, va="bottom", linespacing=1.4)


def _hardware(report: Report) -> str:
    if not report.hardware:
        return "nothing measured"
    return f"{report.hardware['cpu']}, {report.hardware['cores']} cores"


def _caption(report: Report) -> str:
    """How the figures came about."""
    chained = (
        "Speed-ups are chained: products of the paired ratios against each candidate's parent, their variances added; "
        "bars are 95 % t-intervals, cut at the edge; step: against its parent."
    )
    confirmed = report.confirmed
    if confirmed is None:
        return f"{chained}\nThe best was not measured once more after its promotion."
    return (
        f"{chained}\nThe star is not chained: the best directly against the reference, on fresh seeds after its "
        f"promotion, {with_interval(confirmed.ratio, confirmed.ci95)}. Where it lies lower, chance flattered the steps."
    )
