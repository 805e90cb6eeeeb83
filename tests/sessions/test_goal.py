"""The goal in rounds: kept with the run, extended on record, and never a round too many."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from vibeserve.core.errors import DiskFull, InfrastructureFailed
from vibeserve.core.roles import system_actor
from vibeserve.core.run import Run
from vibeserve.profiler.environment import environment
from vibeserve.sessions import driver
from vibeserve.sessions.driver import Event, drive
from vibeserve.sessions.recording import CallStep, RecordedTurn
from vibeserve.sessions.replay import ReplayClient

KINDS = {"open_round": "round.opened", "close_round": "round.closed", "edit_memory": "memory.edited"}


def turn(*tools: str) -> RecordedTurn:
    return RecordedTurn(role="orchestrator", steps=[CallStep(tool=tool) for tool in tools])


APART = [turn("open_round"), turn("close_round"), turn("edit_memory")] * 3
TOGETHER = [turn("open_round"), turn("close_round", "open_round"), turn("close_round")]


class Player:
    """Plays turns by recording what each call would; dies before the turns named in `dies_in`."""

    name = "test"

    def __init__(self, turns: list[RecordedTurn], *dies_in: str) -> None:
        self._turns, self._dies_in = turns, dies_in

    def turns(self) -> list[RecordedTurn]:
        return self._turns

    async def play(self, run: Run, turn: RecordedTurn, session: str, *_: Any) -> int:
        for step in turn.steps:
            assert isinstance(step, CallStep)
            with run.tx() as tx:
                tx.append(system_actor(), KINDS[step.tool], "R", {})
            if session in self._dies_in:
                raise KeyboardInterrupt
        return len(turn.steps)


@pytest.fixture
def played(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Drives the run with turns; returns the notes."""

    @asynccontextmanager
    async def connect(*_: Any) -> AsyncIterator[None]:
        yield None

    monkeypatch.setattr(driver, "connect", connect)

    def play(turns: list[RecordedTurn], rounds: int | None = None, *dies_in: str) -> list[str]:
        events: list[Event] = []
        drive(run, cast(ReplayClient, Player(turns, *dies_in)), rounds, events.append)
        return [event.text for event in events if event.kind == "note"]

    return play


def stands(run: Run) -> tuple[int, int, int]:
    """Turns ended, rounds opened, extensions."""
    kinds = ("turn.ended", "round.opened", "run.extended")
    opened, closed, extended = (run.ledger.count(kind) for kind in kinds)
    return opened, closed, extended


def test_without_a_goal_all_is_played(run: Run, played: Callable[..., list[str]]) -> None:
    assert played(APART) == ["The recording holds 3 rounds, and all are played."]
    assert stands(run) == (9, 3, 0)
    assert played(APART) == ["The recording holds 3 rounds, and all are played, so there is nothing to do."]
    assert played(APART, 5) == ["The recording holds 3 rounds, and all are played, so there is nothing to do."]
    assert stands(run) == (9, 3, 0)


def test_a_goal_ends_before_the_next_round_and_is_extended_on_record(
    run: Run, played: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(run.created.body["settings"], "rounds", 1)
    [note] = played(APART)
    assert note.startswith("Played 1 of the recording's 3 rounds. Go on with `vibeserve run --resume ")
    assert "--rounds 2`" in note
    assert stands(run) == (3, 1, 0)  # with the turn that only curates the memory
    for rounds in (None, 1):
        [note] = played(APART, rounds)
        assert note.startswith("Played 1 of the recording's 3 rounds already, so there is nothing to do.")
    assert stands(run) == (3, 1, 0)
    played(APART, 2)
    assert stands(run) == (6, 2, 1)
    played(APART)
    assert stands(run) == (6, 2, 1), "the extended goal is kept"
    [note] = played(APART, 9)
    assert note == "The recording holds 3 rounds, and all are played."
    extended = run.ledger.last("run.extended")
    assert extended is not None and extended.body == {"rounds": 3}


def test_fewer_rounds_stop_this_time_only(run: Run, played: Callable[..., list[str]]) -> None:
    played(APART, 2)
    assert stands(run) == (6, 2, 0)
    played(APART)
    assert stands(run) == (9, 3, 0)


def test_a_killed_run_ends_at_its_goal(
    run: Run, played: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(run.created.body["settings"], "rounds", 2)
    with pytest.raises(KeyboardInterrupt):
        played(APART, 2, "T4")
    assert stands(run) == (3, 2, 0), "killed in the turn that opened the last round"
    played(APART)
    assert run.ledger.count("turn.ended") == 6, "a turn that had begun is played to its end"


def test_a_turn_that_closes_and_opens_is_not_begun_at_the_goal(run: Run, played: Callable[..., list[str]]) -> None:
    played(TOGETHER, 1)
    assert stands(run) == (1, 1, 0)
    played(TOGETHER, 2)
    assert stands(run) == (3, 2, 0)


def test_a_preset_may_declare_the_goal(
    run: Run, played: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = run.preset.model_copy(update={"rounds": 1})
    monkeypatch.setitem(run.target.presets, "tiny", preset)
    played(APART)
    assert stands(run) == (3, 1, 0)


def test_another_machine_is_told_in_one_line(
    run: Run, played: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = run.created.body["settings"]
    monkeypatch.setitem(settings, "environment", environment())
    assert len(played(APART, 1)) == 1
    monkeypatch.setitem(settings, "environment", environment() | {"cores": 4096})
    note, _ = played(APART, 2)
    assert "cores: 4096 there" in note and "not pooled or compared" in note and "\n" not in note


def test_on_a_full_disk_a_turn_is_not_begun_again(
    run: Run, played: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    async def fail(*_: Any) -> int:
        tried.append(1)
        if len(tried) == 1:
            monkeypatch.setattr("vibeserve.core.disk.is_full", lambda _place: True)
        raise InfrastructureFailed("The sandbox could not go on.")

    monkeypatch.setattr(Player, "play", fail)
    with pytest.raises(DiskFull, match=r"The disk that holds .* is full"):
        played(APART)
    assert len(tried) == 1
