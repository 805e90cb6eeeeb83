"""The `vibeserve` command."""

import importlib
import json
import sys
from typing import Any

import click

from vibeserve import __version__
from vibeserve.gateway.build import SERVERS

COMMANDS = {
    "new": "new",
    "run": "run",
    "status": "status",
    "log": "log",
    "show": "show",
    "audit": "audit",
    "report": "report",
    "export": "export",
    "verify": "verify",
    "doctor": "doctor",
    "model": "model",
    "mcp": "mcp",
}
"""Command → the module under `vibeserve.cli` that holds it, imported only when it is called."""


class LazyGroup(click.Group):
    """A group whose commands are imported on demand: `vibeserve audit` need not load what `run` needs."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """All command names: those for people first."""
        return [*COMMANDS, *SERVERS]

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """The named command, or None."""
        command: Any = None
        if name in COMMANDS:
            command = importlib.import_module(f"vibeserve.cli.{COMMANDS[name]}").command
        elif name in SERVERS:
            command = importlib.import_module("vibeserve.cli.twins").group(name)
        return command if isinstance(command, click.Command) else None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vibeserve")
def vibeserve() -> None:
    """Have agents write, prove and measure a serving system for your model, hardware and workload."""


def main() -> None:
    """Entry point of the console script."""
    if sys.argv[1:2] == ["mcp"]:
        # A client waits for this process to answer: it starts without the rest of the command line.
        from vibeserve.cli.mcp import main as serve_role

        serve_role(sys.argv[2:])
        return
    try:
        status = vibeserve(standalone_mode=False)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        _say_unusable(error, as_json="--json" in sys.argv)
        sys.exit(error.exit_code)
    sys.exit(status if isinstance(status, int) else 0)


def _say_unusable(error: click.ClickException, *, as_json: bool) -> None:
    """Arguments that no command takes: told as every other error is where JSON was asked for."""
    if not as_json:
        error.show()
        return
    step = "`--help` after the command lists what it takes."
    click.echo(json.dumps({"error": "BadRequest", "message": error.format_message(), "next_step": step}))
