"""Strings role turns together; what comes next derives from the ledger, so a killed run resumes anywhere."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from vibeserve.core import jobs
from vibeserve.core.disk import as_disk_full, require_room
from vibeserve.core.errors import InfrastructureFailed, Refused, VibeServeError
from vibeserve.core.locks import exclusive_at_once
from vibeserve.core.roles import Actor
from vibeserve.core.run import Run
from vibeserve.lab.trees.audit import require_clean
from vibeserve.sessions import goal
from vibeserve.sessions.connection import connect
from vibeserve.sessions.machine import unlike_machine
from vibeserve.sessions.recording import RecordedTurn
from vibeserve.sessions.replay import ReplayClient


@dataclass(frozen=True, slots=True)
class Event:
    """What a person sees happen: a turn starts, a call goes on, a call is done, a turn ends; notes on the whole run."""

    kind: Literal["turn", "progress", "call", "ended", "retry", "note"]
    turn: str = ""
    role: str = ""
    text: str = ""
    result: dict[str, Any] | None = None


OnEvent = Callable[[Event], None]


def drive(run: Run, client: ReplayClient, rounds: int | None, on_event: OnEvent) -> None:
    """Play the turns that are still to be played, until the recording or the run's goal of rounds is reached.

    `rounds` is a goal for all rounds of the run, played ones included; None: the goal that the run has.
    """
    with _only_driver(run):
        require_clean(run)
        jobs.sweep(run)
        note = unlike_machine(run)
        if note:
            on_event(Event("note", text=note))
        on_event(Event("note", text=_play_to_goal(run, client, rounds, on_event)))


def _play_to_goal(run: Run, client: ReplayClient, rounds: int | None, on_event: OnEvent) -> str:
    """Play what is left; returns where the run stands then."""
    turns, ended = client.turns(), run.ledger.count("turn.ended")
    recorded = goal.rounds_in(turns)
    last = goal.goal_of(run, rounds, recorded)
    for index in range(ended, len(turns)):
        name = f"T{index + 1}"
        if goal.is_beyond(run, turns[index], name, last):
            return goal.stopped_at(run, recorded, played_turns=index - ended)
        _play_turn(run, client, turns[index], name, on_event)
    return goal.all_played(recorded, played_turns=len(turns) - ended)


def _play_turn(run: Run, client: ReplayClient, turn: RecordedTurn, name: str, on_event: OnEvent) -> None:
    """One turn; a server that dies under it is started once more, and that counts against nobody."""
    actor = Actor(turn.as_role, name, client=client.name)
    _record_start(run, actor)
    on_event(Event("turn", name, turn.role))
    begun = time.monotonic()
    try:
        calls = _attempt(run, client, turn, actor, on_event)
    except InfrastructureFailed as error:
        require_room(run.layout.root)  # to try again would fail again
        on_event(Event("retry", name, turn.role, error.message))
        jobs.sweep(run)
        calls = _attempt(run, client, turn, actor, on_event)
    seconds = round(time.monotonic() - begun, 3)
    with run.tx() as tx:
        body = {"turn": name, "role": turn.role, "client": client.name, "calls": calls, "seconds": seconds}
        tx.append(actor, "turn.ended", name, body)
    on_event(Event("ended", name, turn.role, f"{seconds:.1f} s"))


def _attempt(run: Run, client: ReplayClient, turn: RecordedTurn, actor: Actor, on_event: OnEvent) -> int:
    def on_progress(_elapsed_s: float, message: str) -> None:
        on_event(Event("progress", actor.session, turn.role, message))

    def on_call(tool: str, result: dict[str, Any]) -> None:
        on_event(Event("call", actor.session, turn.role, tool, result))

    def on_retry(reason: str) -> None:
        on_event(Event("retry", actor.session, turn.role, reason))

    async def play() -> int:
        log = run.layout.root / "servers.log"
        async with connect(run, actor, log, on_progress) as connection:
            return await client.play(run, turn, actor.session, connection, on_call, on_retry)

    try:
        return asyncio.run(play())
    except VibeServeError:
        raise
    except Exception as error:
        raise as_disk_full(error, run.layout.root) or InfrastructureFailed(
            f"The {turn.role}'s server went away in turn {actor.session}: {type(error).__name__}: {error}.",
            "Look at servers.log in the run directory, then go on with `vibeserve run --resume RUN`.",
        ) from error


def _record_start(run: Run, actor: Actor) -> None:
    """A resumed turn has its start on record already."""
    if run.ledger.last("turn.started", actor.session) is None:
        with run.tx() as tx:
            tx.append(actor, "turn.started", actor.session, {"turn": actor.session, "role": actor.role.value})


@contextmanager
def _only_driver(run: Run) -> Iterator[None]:
    """One driver at a time: two would play the same turn twice."""
    with exclusive_at_once(run.layout.root / "driver.lock") as alone:
        if not alone:
            raise Refused(
                f"Another driver is working on the run {run.id}.",
                f"Watch it with `vibeserve log --follow {run.layout.root}`.",
            )
        yield
