"""`vibeserve mcp --role ROLE`: all that a role needs, from one stdio process, recorded if wished."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import click

from vibeserve.gateway.binding import Caller
from vibeserve.gateway.build import SERVERS
from vibeserve.gateway.standalone import serve, unrecorded


def main(arguments: Sequence[str]) -> None:
    """Serve the role; with `--record DIR` write the turn down as it is played."""
    parser = argparse.ArgumentParser("vibeserve mcp", add_help=False)
    parser.add_argument("--record", type=Path, metavar="DIR")
    options, rest = parser.parse_known_args(arguments)
    if options.record is None:
        serve(SERVERS, rest, unrecorded)
        return
    from vibeserve.core.session import Session
    from vibeserve.sessions.recorder import Recorder
    from vibeserve.sessions.recording import Recording

    def recorder(session: Session) -> Caller:
        return Recorder(Recording(options.record), session)

    serve(SERVERS, rest, recorder)


@click.command(
    "mcp",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    short_help="Serve one role's tools over MCP (stdio, or --http PORT).",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Serve one role's tools over MCP: --run DIR --role ROLE [--http PORT] [--record DIR]."""
    main(arguments)
