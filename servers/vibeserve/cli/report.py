"""`vibeserve report [RUN]`: what a run found, as a page, a picture and JSON."""

from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from vibeserve.cli.output import console, find_run, json_option, print_json, run_argument, teaching
from vibeserve.cli.progress import progress_line
from vibeserve.core.artifacts import printable
from vibeserve.delivery.facts import Report, RoundFacts
from vibeserve.delivery.report.marks import figures_of, stopped_at
from vibeserve.delivery.report.reporting import FILES, Wanted, make_report
from vibeserve.delivery.wording import with_interval


@click.command("report")
@run_argument
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the files (default: report in the run).")
@click.option("--attribute", is_flag=True, help="Leave-one-out: gate and time the best without each kept change.")
@click.option("--no-measure", is_flag=True, help="Do not measure the best once more; only what is on record counts.")
@json_option
@teaching
def command(run: str, out: Path | None, attribute: bool, no_measure: bool, as_json: bool) -> None:
    """Report on RUN (default: the newest): page, trajectory plot and JSON.

    The best is measured once more on fresh seeds, against the reference and the strong baseline, unless that is
    on record: the best of many is flattered by chance.
    """
    opened = find_run(run)
    folder = (out or opened.layout.root / "report").absolute()
    wanted = Wanted(measure=not no_measure, attribute=attribute)
    with progress_line() as progress:
        report = make_report(opened, folder, wanted, progress)
    if as_json:
        print_json(report.model_dump(mode="json"))
        return
    _show(report, folder)


def _show(report: Report, folder: Path) -> None:
    about = f"{report.run} · {report.title} · {report.preset} · {report.assurance}"
    table = Table(title=Text(printable(about)), title_justify="left")
    for name in ("round", "issue", "caught", "against the parent", "over the reference", "decision"):
        table.add_column(name)
    for item in report.rounds:
        table.add_row(*(Text(printable(cell)) for cell in _cells(item)))
    out = console()
    out.print(table)
    for line in [*_best_lines(report), *report.notes]:
        out.print(Text(printable(line)))
    for name in FILES:
        out.print(Text(str(folder / name), style="bold"))


def _cells(item: RoundFacts) -> tuple[str, ...]:
    return (
        item.round,
        item.title,
        ", ".join(stopped_at(item)),
        *figures_of(item),
        item.decision,
    )


def _best_lines(report: Report) -> list[str]:
    best = report.best
    if best is None:
        return []
    named = [(best.vs_reference, "the reference"), (best.vs_strong_baseline, "the strong baseline")]
    said = [f"{with_interval(one.ratio, one.ci95)} {name}" for one, name in named if one]
    return [f"best: {best.candidate} of {best.round}, measured after its promotion: {', '.join(said) or 'nothing yet'}"]
