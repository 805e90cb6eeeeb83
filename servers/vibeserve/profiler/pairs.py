"""The timed section: pairs of windows, one per side, in random order and with fresh load."""

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.core.session import Session
from vibeserve.profiler.sides import Side
from vibeserve.profiler.windows import Unended, Window, raise_unserved, run_window

VOID_REPEATS = 2


@dataclass(frozen=True)
class Timed:
    """A finished timed section: per pair the values (candidate, other) and the seed; and every window."""

    values: list[tuple[float, float]]
    seeds: list[int]
    windows: list[Window]


def time_pairs(session: Session, candidate: Side, other: Side, scratch: Path) -> Timed:
    """Time as many pairs as the target declares. Both sides of a pair get the same fresh seed.

    A pair with a void window is repeated with another seed, at most twice, then InfrastructureFailed.
    """
    count = session.run.pairs
    timed = Timed([], [], [])
    for pair, candidate_first in enumerate(balanced_order(count)):
        order = (candidate, other) if candidate_first else (other, candidate)
        _time_pair(session, order, pair, scratch, timed)
    return timed


def balanced_order(count: int) -> list[bool]:
    """For each pair whether the candidate goes first: half of them (ABBA), in an order nobody can foresee."""
    order = [index % 2 == 0 for index in range(count)]
    random.SystemRandom().shuffle(order)
    return order


def _time_pair(session: Session, order: Sequence[Side], pair: int, scratch: Path, timed: Timed) -> None:
    label = f"pair {pair + 1} of {session.run.pairs}"
    voids: list[str] = []
    while len(voids) <= VOID_REPEATS:
        seed = secrets.randbelow(2**31)
        by_side: dict[bool, float] = {}
        for side in order:
            session.progress(f"{label}: timing {'the candidate' if side.is_candidate else 'the other side'}")
            out = scratch / f"window-{len(timed.windows)}"
            window = run_window(session, side, pair, seed, out)
            if isinstance(window, Unended):
                raise _unended(session, order, side, window, scratch)
            timed.windows.append(window)
            if window.value is None:
                voids.append(window.void or "void")
                break
            by_side[side.is_candidate] = window.value
        else:
            timed.values.append((by_side[True], by_side[False]))
            timed.seeds.append(seed)
            return
    raise InfrastructureFailed(
        f"{label.capitalize()} was void {len(voids)} times.",
        "Measure again when nothing else loads this machine.",
        evidence="\n".join(voids),
    )


def _unended(
    session: Session, order: Sequence[Side], side: Side, unended: Unended, scratch: Path
) -> InfrastructureFailed:
    """What to raise when the benchmark did not end on `side`.

    The same load on the other side is the control: CandidateFailed is raised when it ends there.
    """
    if side.is_candidate:
        session.progress("the benchmark did not end; running it against the other side as a control")
        [other] = [one for one in order if one is not side]
        control = run_window(session, other, -1, secrets.randbelow(2**31), scratch / "control-window")
        if isinstance(control, Window) and control.value is not None:
            raise_unserved(
                side,
                f"the benchmark ends on the other side in {control.seconds:.0f} s and does not end on this "
                f"candidate within {unended.outcome.seconds:.0f} s",
            )
    return unended.failure()
