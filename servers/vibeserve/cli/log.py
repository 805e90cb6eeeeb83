"""`vibeserve log RUN`: the ledger as lines."""

import json
import time
from dataclasses import asdict

import click

from vibeserve.cli.output import find_run, run_argument, teaching
from vibeserve.core.artifacts import printable
from vibeserve.core.ledger import Record

FOLLOW_POLL_S = 0.5
BRIEF_CHARACTERS = 100


@click.command("log")
@run_argument
@click.option("--follow", "-f", is_flag=True, help="Go on showing records as they come; end with Ctrl-C.")
@click.option("--kind", multiple=True, help="Only records of this kind; may be given several times.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; errors as one, too.")
@teaching
def command(run: str, follow: bool, kind: tuple[str, ...], as_json: bool) -> None:
    """Show the ledger of RUN (default: the newest), one record a line."""
    opened, seen = find_run(run), 0
    while True:
        for record in opened.ledger.records(kind, after=seen):
            click.echo(json.dumps(asdict(record), ensure_ascii=False) if as_json else line(record))
            seen = record.seq
        if not follow:
            return
        time.sleep(FOLLOW_POLL_S)


def line(record: Record) -> str:
    """A record in one line."""
    brief = ", ".join(f"{key}={_brief(value)}" for key, value in record.body.items() if value not in ("", None))
    return printable(
        f"{record.seq:4d} {record.at[11:19]} {record.actor.role.value:12s} {record.kind:21s} "
        f"{record.subject[:12]:12s} {brief[:BRIEF_CHARACTERS]}"
    )


def _brief(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return " ".join(text[:60].split())
