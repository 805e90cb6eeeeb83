"""`vibeserve show RUN ID`: everything on record about one thing."""

from dataclasses import asdict

import click

from vibeserve.cli.output import console, find_run, json_option, print_json, teaching
from vibeserve.core.artifacts import printable
from vibeserve.core.errors import NotFound
from vibeserve.core.ledger import Record
from vibeserve.core.run import Run

ID_FIELDS = (
    "issue",
    "round",
    "candidate",
    "gate",
    "verdict_id",
    "measurement",
    "evaluation",
    "direction",
    "turn",
    "tree",
)
MIN_TREE_CHARACTERS = 7


@click.command("show")
@click.argument("thing", metavar="ID")
@click.option("--run", "run", default="latest", help="Run directory, id, or latest.")
@json_option
@teaching
def command(thing: str, run: str, as_json: bool) -> None:
    """Show everything on record about ID: I1, R1, C1, G1, V1, M1, E1, D1, T1, a record's number or a tree."""
    records = find_records(find_run(run), thing)
    if as_json:
        print_json([asdict(record) for record in records])
        return
    for record in records:
        console().print(
            f"[bold]{record.kind}[/bold]  #{record.seq}  {record.at}  by {record.actor.role.value} "
            f"({record.actor.client}, {record.actor.assurance})"
        )
        for key, value in record.body.items():
            if isinstance(value, list) and value and isinstance(value[0], dict):
                click.echo(f"  {key}:")
                for row in value:
                    click.echo("    " + printable(", ".join(f"{name}={item}" for name, item in row.items())))
            else:
                click.echo(f"  {key}: {printable(str(value))}")


def find_records(run: Run, thing: str) -> list[Record]:
    """The records about a thing: those with that subject, number, or id in their body."""
    if thing.isdigit():
        found = [record for record in run.ledger.records(after=int(thing) - 1, limit=1) if record.seq == int(thing)]
    else:
        found = [record for record in run.ledger.records() if _is_about(record, thing)]
    if not found:
        raise NotFound(
            f"Nothing is on record about {thing} in the run {run.id}.",
            f"`vibeserve log {run.layout.root}` lists all its records; --run names another run.",
        )
    return found


def _is_about(record: Record, thing: str) -> bool:
    names = [record.subject, *(record.body.get(field) for field in ID_FIELDS)]
    if thing in names:
        return True
    return len(thing) >= MIN_TREE_CHARACTERS and any(str(name).startswith(thing) for name in names)
