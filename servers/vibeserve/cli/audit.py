"""`vibeserve audit RUN`: is the record whole and unaltered, and every promotion backed by evidence?"""

import sys
from dataclasses import asdict

import click

from vibeserve.cli.output import console, find_run, json_option, print_json, run_argument, teaching
from vibeserve.lab.trees.audit import audit_run


@click.command("audit")
@run_argument
@json_option
@teaching
def command(run: str, as_json: bool) -> None:
    """Check chain, signatures, head and promotions of RUN (default: the newest); exit status 1 if broken."""
    opened = find_run(run)
    outcome = audit_run(opened)
    if as_json:
        print_json(asdict(outcome))
    elif outcome.ok:
        console().print(f"[green]clean[/green]: {outcome.records} records chained and signed, ", end="")
        console().print(f"{outcome.promotions} promotions backed by gate, verdict and measurement")
    else:
        console().print(f"[red]broken[/red] at record {outcome.broken_seq}: {outcome.problem}", markup=True)
    sys.exit(0 if outcome.ok else 1)
