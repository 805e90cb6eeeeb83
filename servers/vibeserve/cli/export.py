"""`vibeserve export [RUN]`: the best checkpoint as a folder that starts, explains itself and can be verified."""

from pathlib import Path

import click
from rich.text import Text

from vibeserve.cli.output import console, find_run, json_option, print_json, run_argument, teaching
from vibeserve.cli.progress import progress_line
from vibeserve.delivery.export.exporting import Exported, export

EXPORTS = Path("exports")


@click.command("export")
@run_argument
@click.option("--out", type=click.Path(path_type=Path), help="The folder to make (default: exports/<run id>).")
@json_option
@teaching
def command(run: str, out: Path | None, as_json: bool) -> None:
    """Export the best checkpoint of RUN (default: the newest): server, figures, provenance, how to start it."""
    opened = find_run(run)
    with progress_line() as progress:
        exported = export(opened, (out or EXPORTS / opened.id).absolute(), progress)
    if as_json:
        print_json(_as_json(exported))
        return
    _show(exported)


def _as_json(exported: Exported) -> dict[str, object]:
    return {
        "folder": str(exported.folder),
        "manifest": exported.manifest.model_dump(mode="json"),
        "figures": exported.figures.model_dump(mode="json"),
        "notes": list(exported.notes),
    }


def _show(exported: Exported) -> None:
    out, manifest = console(), exported.manifest
    out.print(Text(f"{manifest.candidate} of {manifest.round}, tree {manifest.tree[:12]}, in {exported.folder}"))
    for note in exported.notes:
        out.print(Text(note, style="yellow"))
    if not any(claim.confirmed for claim in exported.figures.claims):
        out.print(Text("Its figures were taken before its promotion; `vibeserve report` measures it once more."))
    out.print(Text(f"signed with {manifest.public_key}: tell your receiver this key by another way"))
    out.print(Text(f"check it: vibeserve verify {exported.folder} (--rerun for proof)"))
