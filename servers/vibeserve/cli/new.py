"""`vibeserve new TARGET`: make a run directory."""

from pathlib import Path
from typing import Any

import click

from vibeserve.cli.output import RUNS, console, json_option, print_json, teaching
from vibeserve.core.run import Run, create_run, new_run_id
from vibeserve.core.target import read_target
from vibeserve.lab.models import prepare_model


def make_run(
    target_folder: Path,
    preset: str,
    model: Path | None,
    root: Path | None,
    settings: dict[str, Any] | None = None,
) -> Run:
    """Read the target, prepare its model (with progress on the console), create the run."""
    target = read_target(target_folder)
    with console().status(f"preparing the model of {target.name} ({preset})") as status:
        prepared = prepare_model(target_folder, target, preset, model, progress=status.update)
        root = root or RUNS / new_run_id(target.name)
        root.parent.mkdir(parents=True, exist_ok=True)
        return create_run(target_folder, preset, prepared.path, prepared.digest, root, settings=settings)


target_argument = click.argument("target", type=click.Path(path_type=Path))
preset_option = click.option("--preset", default="tiny", show_default=True, help="A preset of the target.")
model_option = click.option(
    "--model", type=click.Path(path_type=Path, exists=True, file_okay=False), help="A local model folder."
)
root_option = click.option("--run", "root", type=click.Path(path_type=Path), help="Where: default runs/<id>.")


@click.command("new")
@target_argument
@preset_option
@model_option
@root_option
@json_option
@teaching
def command(target: Path, preset: str, model: Path | None, root: Path | None, as_json: bool) -> None:
    """Make a run directory for TARGET (a folder with a target.toml)."""
    run = make_run(target, preset, model, root)
    if as_json:
        print_json({"run": run.id, "folder": str(run.layout.root), **run.created.body})
        return
    console().print(f"run [bold]{run.id}[/bold] in {run.layout.root}")
    console().print(f"serve a role to a client: vibeserve mcp --run {run.layout.root} --role orchestrator")
