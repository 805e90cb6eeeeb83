"""`vibeserve verify DIR|RUN`: is it what was exported, is the evidence there, and does it hold when run again?"""

import sys
from contextlib import ExitStack
from pathlib import Path

import click
from rich.text import Text

from vibeserve.cli.output import console, find_run, json_option, print_json, teaching
from vibeserve.cli.progress import progress_line
from vibeserve.core.artifacts import printable
from vibeserve.core.errors import BadRequest, NotFound
from vibeserve.core.run import Run
from vibeserve.core.session import Progress
from vibeserve.delivery.export.manifest import read_manifest
from vibeserve.delivery.verify.agreement import Rerun
from vibeserve.delivery.verify.receiving import claimed_by_export, claimed_by_run
from vibeserve.delivery.verify.rerunning import rerun
from vibeserve.delivery.verify.verification import Verification, verify_folder, verify_run
from vibeserve.delivery.verify.verifying import is_export


@click.command("verify")
@click.argument("source", metavar="[DIR|RUN]", default="latest")
@click.option("--rerun", "again", is_flag=True, help="Gate and measure again, under a new key and with fresh seeds.")
@click.option(
    "--model",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The model's folder, for --rerun (default: the run's, or what the target's preset builds).",
)
@click.option("--work", type=click.Path(path_type=Path), help="Keep the fresh run of --rerun in this new folder.")
@json_option
@teaching
def command(source: str, again: bool, model: Path | None, work: Path | None, as_json: bool) -> None:
    """Verify an exported folder with nothing but the folder, or a run (default: the newest).

    Exit status 1 when anything is wrong.
    """
    if not again and (model or work):
        raise BadRequest("--model and --work are for --rerun.", "Add --rerun, or leave them out.")
    with progress_line() as progress:
        progress("checking")
        found = verify_source(source, again, model, work, progress)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _show(found, again)
    sys.exit(0 if found.ok else 1)


def verify_source(source: str, again: bool, model: Path | None, work: Path | None, progress: Progress) -> Verification:
    """Verify a folder or a run, and run it again where asked for and where nothing is wrong before that."""
    with ExitStack() as stack:
        if is_export(Path(source)):
            folder = Path(source).resolve()
            found, manifest = verify_folder(folder), read_manifest(folder)[0]
            if not again or not found.ok or manifest is None:
                return found
            claimed = claimed_by_export(folder, manifest)
        else:
            run = _run_of(source)
            found = verify_run(run)
            if not again or not found.ok or found.tree is None:
                return found
            claimed = stack.enter_context(claimed_by_run(run, found.tree))
        return found.with_rerun(rerun(claimed, model, work, progress))


def _run_of(source: str) -> Run:
    if Path(source).is_dir() and not (Path(source) / "run.db").exists():
        raise NotFound(f"{source} is neither an exported folder nor a run.", "Give what `vibeserve export` made.")
    return find_run(source)


def _show(found: Verification, again: bool) -> None:
    out = console()
    for check in found.checks:
        mark = "[green]ok[/green]     " if check.ok else "[red]broken[/red] "
        out.print(f"{mark} {check.name}: ", end="")
        out.print(Text(check.detail if check.ok else "; ".join(check.problems)))
    if found.rerun:
        _show_rerun(found.rerun)
    elif again:
        out.print(Text("Not run again: what is broken above is not what was exported."))
    for name, value in (("tree", found.tree), ("target", found.target_digest), ("key", found.public_key)):
        out.print(Text(printable(f"{name}: {value or 'unknown'}"), style="dim"))
    if not all(check.ok for check in found.checks):
        out.print("[red]Broken[/red]: something is not as it was recorded or exported; do not rely on it.")
        return
    if found.proves:
        out.print(Text(f"Shown: {found.proves}"))
    out.print(Text(f"Not shown: {found.does_not_prove}"))


def _show_rerun(rerun: Rerun) -> None:
    out = console()
    out.print("[green]ok[/green]      rerun: " if rerun.ok else "[red]failed[/red]  rerun: ", end="")
    out.print(Text(printable(f"{rerun.said}{f' ({rerun.reason})' if rerun.reason else ''}")))
    for one in rerun.measured:
        out.print(Text(f"        {one.in_words()}"))
    if rerun.run:
        out.print(Text(f"        kept in {rerun.run}"))
