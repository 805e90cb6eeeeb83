"""`vibeserve run TARGET`: play a whole run, and show it as it happens."""

import shutil
import sys
from pathlib import Path

import click

from vibeserve.cli.live import LiveView
from vibeserve.cli.new import make_run, model_option, preset_option, root_option
from vibeserve.cli.output import console, find_run, json_option, print_json, teaching
from vibeserve.cli.status import show_rounds, summary
from vibeserve.core.errors import BadRequest, Refused
from vibeserve.core.run import Run
from vibeserve.lab.trees.audit import audit_run
from vibeserve.profiler.environment import environment
from vibeserve.sessions.driver import drive
from vibeserve.sessions.recording import Recording
from vibeserve.sessions.replay import ReplayClient


@click.command("run")
@click.argument("target", type=click.Path(path_type=Path), required=False)
@preset_option
@model_option
@root_option
@click.option("--client", type=click.Choice(["replay"]), default="replay", help="Who plays the roles.")
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    help="How many rounds the run is to have, those already played included. Kept with the run.",
)
@click.option("--resume", metavar="RUN", help="Go on with this run (path, id, or latest) where it stopped.")
@json_option
@teaching
def command(
    target: Path | None,
    preset: str,
    model: Path | None,
    root: Path | None,
    client: str,
    rounds: int | None,
    resume: str | None,
    as_json: bool,
) -> None:
    """Play TARGET's recorded role turns through the real tools in a new run, or go on with one (--resume RUN)."""
    if (target is None) == (resume is None):
        raise BadRequest("Give either a TARGET or --resume RUN.", "For example: vibeserve run targets/llama-chat.")
    if resume is not None:
        run = find_run(resume)
    else:
        assert target is not None
        recording = recorded_in(target, preset)
        recording.turns()  # before anything is made: a preset without a recording is refused here
        settings = {"client": client, "recording": str(recording.folder.resolve()), "environment": environment()}
        run = make_run(target, preset, model, root, settings | ({"rounds": rounds} if rounds else {}))
    play(run, rounds, as_json)


def recorded_in(target: Path, preset: str) -> Recording:
    """The recorded run of a preset, its own or the one it names."""
    from vibeserve.core.target import read_target

    return Recording(target / "recorded" / (read_target(target).preset(preset).recorded or preset))


def play(run: Run, rounds: int | None, as_json: bool) -> None:
    """Drive the run to its end; who interrupts it hears how to go on."""
    try:
        _play(run, rounds, as_json)
    except KeyboardInterrupt:
        click.echo(f"\nInterrupted; nothing is lost. Go on: vibeserve run --resume {run.layout.root}", err=True)
        sys.exit(130)


def _play(run: Run, rounds: int | None, as_json: bool) -> None:
    """Live progress for people, a JSON summary for programs."""
    replay = ReplayClient(own_recording(run))
    if as_json:
        notes: list[str] = []
        drive(run, replay, rounds, lambda event: notes.append(event.text) if event.kind == "note" else None)
        outcome = audit_run(run)
        print_json(summary(run) | {"audit_ok": outcome.ok, "notes": notes})
        sys.exit(0 if outcome.ok else 1)
    console().print(f"run [bold]{run.id}[/bold] in {run.layout.root}")
    with LiveView() as view:
        drive(run, replay, rounds, view.show)
    show_rounds(run)
    outcome = audit_run(run)
    state = "[green]audit clean[/green]" if outcome.ok else f"[red]audit broken[/red]: {outcome.problem}"
    console().print(
        f"{state}, {outcome.records} records · look closer: vibeserve log, vibeserve show G2, vibeserve audit"
    )
    sys.exit(0 if outcome.ok else 1)


def own_recording(run: Run) -> Recording:
    """The run's own copy of its recording: the original may change while the run is interrupted."""
    original, copy = run.created.body["settings"].get("recording"), run.layout.root / "recording"
    if original is None:
        raise Refused(
            f"The run {run.id} was made for clients to play, not to be replayed.",
            f"Serve its roles: vibeserve mcp --run {run.layout.root} --role orchestrator.",
        )
    if not copy.exists():
        draft = run.scratch("recording") / "copy"
        shutil.copytree(original, draft)
        draft.rename(copy)
        draft.parent.rmdir()
    return Recording(copy)
