"""How far a run is to be played: a goal in rounds, kept with the run."""

from collections.abc import Sequence

from vibeserve.core.roles import system_actor
from vibeserve.core.run import Run
from vibeserve.sessions.recording import CallStep, RecordedTurn

OPENING = "open_round"


def kept_goal(run: Run) -> int | None:
    """The rounds that the run is to have: as last extended, as it was begun, or as its preset says. None: all."""
    extended = run.ledger.last("run.extended")
    if extended is not None:
        return int(extended.body["rounds"])
    begun: int | None = run.created.body["settings"].get("rounds")
    return begun or run.preset.rounds


def goal_of(run: Run, wanted: int | None, recorded: int) -> int:
    """The rounds to play to now, out of `recorded` ones.

    More than the kept goal extends it, on record; fewer stop the run earlier this time and leave the goal alone.
    """
    kept = min(kept_goal(run) or recorded, recorded)
    if wanted is None:
        return kept
    if min(wanted, recorded) > kept:
        with run.tx() as tx:
            tx.append(system_actor(), "run.extended", run.id, {"rounds": min(wanted, recorded)})
    return wanted


def rounds_in(turns: Sequence[RecordedTurn]) -> int:
    """How many rounds a recording opens."""
    return sum(_opens(turn) for turn in turns)


def is_beyond(run: Run, turn: RecordedTurn, name: str, goal: int) -> bool:
    """Whether a turn that has not begun would open a round after the goal."""
    opened = run.ledger.count("round.opened")
    return _opens(turn) > 0 and opened >= goal and run.ledger.last("turn.started", name) is None


def stopped_at(run: Run, recorded: int, played_turns: int) -> str:
    """What to say of a run that stands at its goal with rounds left in the recording."""
    played = run.ledger.count("round.opened")
    nothing = "" if played_turns else " already, so there is nothing to do"
    return (
        f"Played {played} of the recording's {recorded} rounds{nothing}. "
        f"Go on with `vibeserve run --resume {run.layout.root} --rounds {played + 1}`, or more."
    )


def all_played(recorded: int, played_turns: int) -> str:
    """What to say of a run that has no recorded turn left."""
    nothing = "" if played_turns else ", so there is nothing to do"
    held = "one round, and it is" if recorded == 1 else f"{recorded} rounds, and all are"
    return f"The recording holds {held} played{nothing}."


def _opens(turn: RecordedTurn) -> int:
    return sum(isinstance(step, CallStep) and step.tool == OPENING for step in turn.steps)
