"""What every command shares: finding the run, `--json`, errors that teach."""

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec

import click
from rich.console import Console

from vibeserve.core.disk import as_disk_full
from vibeserve.core.errors import BadRequest, InfrastructureFailed, NotFound, VibeServeError
from vibeserve.core.run import Run, open_run
from vibeserve.core.texts import fenced

RUNS = Path("runs")
PIPE_COLUMNS = 120
P = ParamSpec("P")

json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON, errors too.")
run_argument = click.argument("run", default="latest", metavar="[RUN]")


def console() -> Console:
    """The console for people, on standard output; a file or a pipe gets lines of a fixed width."""
    width = None if sys.stdout.isatty() else PIPE_COLUMNS
    return Console(highlight=False, soft_wrap=True, width=width)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def teaching(function: Callable[P, None]) -> Callable[P, None]:
    """Turn the errors of the tree into one clear sentence, the next safe step and an exit status.

    2: the arguments are wrong; 1: everything else.
    """

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except (VibeServeError, OSError) as error:
            known = error if isinstance(error, VibeServeError) else _of_the_system(error)
            report(known, bool(kwargs.get("as_json")))
            sys.exit(2 if isinstance(known, BadRequest) else 1)
        except KeyboardInterrupt:
            click.echo("\nInterrupted; nothing is lost.", err=True)
            sys.exit(130)

    return wrapped


def _of_the_system(error: OSError) -> VibeServeError:
    return as_disk_full(error, Path.cwd()) or InfrastructureFailed(
        f"The system refused: {error.strerror or error}{f' ({error.filename})' if error.filename else ''}.",
        "Mend that (permissions, what is missing), look with `vibeserve status`, then call again.",
    )


def report(error: VibeServeError, as_json: bool) -> None:
    """Show one error."""
    evidence = str(getattr(error, "evidence", ""))
    if as_json:
        fields = {"error": error.kind, "message": error.message, "next_step": error.next_step}
        print_json(fields | ({"evidence": evidence} if evidence else {}))
        return
    shown = Console(stderr=True, highlight=False, soft_wrap=True)
    shown.print(f"[red]{error.kind}[/red]: ", end="")
    shown.print(error.message, markup=False)
    if error.next_step:
        shown.print("[dim]next:[/dim] ", end="")
        shown.print(error.next_step, markup=False)
    if evidence:
        shown.print(fenced(evidence), markup=False, style="dim")


def find_run(name: str) -> Run:
    """The run of a path, of an id under `runs/`, or the newest for `latest`."""
    if name == "latest":
        newest = known_runs()
        if not newest:
            raise NotFound("There is no run under runs/ yet.", "Make one with `vibeserve run targets/llama-chat`.")
        return open_run(newest[-1])
    for candidate in (Path(name), RUNS / name):
        if (candidate / "run.db").is_file():
            return open_run(candidate)
    raise NotFound(f"There is no run {name}.", "`vibeserve status --all` lists the runs under runs/.")


def known_runs() -> list[Path]:
    """Run directories under `runs/`, the one that was written to last at the end; to look at a run changes nothing."""
    return sorted((path.parent for path in RUNS.glob("*/run.db")), key=_last_written)


def _last_written(root: Path) -> float:
    head = root / "ledger.head"
    return head.stat().st_mtime if head.exists() else 0.0
