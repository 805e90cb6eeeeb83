"""Strings role turns together; what comes next derives from the ledger, so a killed run resumes anywhere."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from vibeserve.core import jobs
from vibeserve.core.errors import InfrastructureFailed, Refused, VibeServeError
from vibeserve.core.locks import exclusive_at_once
from vibeserve.core.roles import Actor
from vibeserve.core.run import Run
from vibeserve.lab.trees.audit import require_clean
from vibeserve.sessions.connection import connect
from vibeserve.sessions.recording import RecordedTurn
from vibeserve.sessions.replay import ReplayClient


@dataclass(frozen=True, slots=True)
class Event:
    """What a person sees happen: a turn starts, a call goes on, a call is done, a turn ends."""

    kind: Literal["turn", "progress", "call", "ended", "retry"]
    turn: str
    role: str
    text: str = ""
    result: dict[str, Any] | None = None


OnEvent = Callable[[Event], None]


def drive(run: Run, client: ReplayClient, rounds: int | None, on_event: OnEvent) -> None:
    """Play the turns that are still to be played, until the recording or the number of rounds is done."""
    with _only_driver(run):
        require_clean(run)
        jobs.sweep(run)
        turns = client.turns()
        for index in range(len(run.ledger.records("turn.ended")), len(turns)):
            if rounds is not None and turns[index].role == "orchestrator" and _rounds_closed(run) >= rounds:
                return
            _play_turn(run, client, turns[index], f"T{index + 1}", on_event)


def _play_turn(run: Run, client: ReplayClient, turn: RecordedTurn, name: str, on_event: OnEvent) -> None:
    """One turn; a server that dies under it is started once more, and that counts against nobody."""
    actor = Actor(turn.as_role, name, client=client.name)
    _record_start(run, actor)
    on_event(Event("turn", name, turn.role))
    begun = time.monotonic()
    try:
        calls = _attempt(run, client, turn, actor, on_event)
    except InfrastructureFailed as error:
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

    async def play() -> int:
        log = run.layout.root / "servers.log"
        async with connect(run, actor, log, on_progress) as connection:
            return await client.play(run, turn, actor.session, connection, on_call)

    try:
        return asyncio.run(play())
    except VibeServeError:
        raise
    except Exception as error:
        raise InfrastructureFailed(
            f"The {turn.role}'s server went away in turn {actor.session}: {type(error).__name__}: {error}.",
            "Look at servers.log in the run directory, then go on with `vibeserve run --resume RUN`.",
        ) from error


def _record_start(run: Run, actor: Actor) -> None:
    """A resumed turn has its start on record already."""
    if run.ledger.last("turn.started", actor.session) is None:
        with run.tx() as tx:
            tx.append(actor, "turn.started", actor.session, {"turn": actor.session, "role": actor.role.value})


def _rounds_closed(run: Run) -> int:
    return run.ledger.count("round.closed")


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
