"""Confirmations of the best: measurements taken after its promotion, since the best of many is flattered by chance."""

import secrets
from dataclasses import dataclass

from vibeserve.core.errors import CandidateFailed, InfrastructureFailed, Refused
from vibeserve.core.roles import Actor, Role
from vibeserve.core.rounds import Attempt, best_attempt, rounds
from vibeserve.core.run import Run
from vibeserve.core.session import Progress, Session
from vibeserve.delivery.lineage import chosen_at
from vibeserve.delivery.pooling import Environment, Pool, pool
from vibeserve.lab.stand.systems import REFERENCE, baseline_tree
from vibeserve.profiler.environment import environment
from vibeserve.profiler.measuring import measure

REPORTER = "vibeserve report"


def reporting_session(run: Run, progress: Progress) -> Session:
    """The session in which a report measures."""
    return Session(run, Actor(Role.HUMAN, f"report-{secrets.token_hex(4)}", client=REPORTER), progress)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What was measured of the best after its promotion; None where nothing was."""

    reference: Pool | None
    strong: Pool | None


def confirmations(run: Run, best: Attempt, where: Environment) -> Confirmed:
    """The best's confirmations in one environment, against the reference and the strong baseline."""
    chosen = chosen_at(run.ledger, best.tree)
    pools = [pool(run, best.evidence.measurements, tree, where, after=chosen) for _, tree in _systems(run)]
    return Confirmed(pools[0], pools[1] if len(pools) > 1 else None)


def confirm_best(session: Session) -> list[str]:
    """Measure the best against reference and strong baseline wherever that is still to be done, on this machine.

    A candidate that fails then does not stand any more, and the next best is confirmed in its place. Returns what
    could not be measured, and why.
    """
    notes: list[str] = []
    while (best := best_attempt(rounds(session.run.ledger, session.run.target_digest))) is not None:
        if _stands(session, best, notes):
            break
    return notes


def unconfirmed(run: Run, best: Attempt) -> list[tuple[str, str]]:
    """What the best is still to be measured against on this machine: the argument of `measure`, the system's name."""
    known = confirmations(run, best, environment())
    return [
        system for system, found in zip(_systems(run), (known.reference, known.strong), strict=False) if found is None
    ]


def _stands(session: Session, best: Attempt, notes: list[str]) -> bool:
    """Confirm one candidate; False when it failed under load."""
    for against, against_tree in unconfirmed(session.run, best):
        session.progress(f"measuring {best.candidate} once more, against {against_tree}")
        try:
            measure(session, best.candidate, against)
        except CandidateFailed:
            return False
        except (Refused, InfrastructureFailed) as error:
            notes.append(f"{best.candidate} was not measured once more against {against_tree}: {error.message}")
    return True


def _systems(run: Run) -> list[tuple[str, str]]:
    """What the best is confirmed against: the argument of `measure`, and the system's name."""
    strong = run.target.strong_baseline
    return [("baseline", REFERENCE), *([(strong, baseline_tree(strong))] if strong else [])]
