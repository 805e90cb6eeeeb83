"""`vibeserve model fetch TARGET`: download a preset's weights, explicitly."""

from pathlib import Path

import click

from vibeserve.cli.new import target_argument
from vibeserve.cli.output import console, json_option, print_json, teaching
from vibeserve.core.target import read_target
from vibeserve.lab.models import fetch_model


@click.group("model")
def command() -> None:
    """Models of targets."""


@command.command("fetch")
@target_argument
@click.option("--preset", default="paper", show_default=True, help="A preset that names a model by id.")
@json_option
@teaching
def fetch(target: Path, preset: str, as_json: bool) -> None:
    """Download the weights of a preset of TARGET; an interrupted download goes on where it stopped."""
    with console().status(f"fetching the {preset} model of {target}") as status:
        fetched = fetch_model(read_target(target), preset, progress=status.update)
    if as_json:
        print_json({"path": str(fetched.path), "digest": fetched.digest})
    else:
        console().print(f"{fetched.path}  digest {fetched.digest[:16]}")
