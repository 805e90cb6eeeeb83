"""Finding rounds, candidates and bases by the names that tools take."""

import re
from dataclasses import dataclass

from vibeserve.core.errors import BadRequest, NotFound, Refused
from vibeserve.core.evidence import evidence_on
from vibeserve.core.ledger import Record
from vibeserve.core.rounds import Attempt, Round, rounds
from vibeserve.core.run import Run
from vibeserve.lab.trees.repository import Repository

REFERENCE = "reference"
_TREE_START = re.compile(r"^[0-9a-f]{7,40}$")


@dataclass(frozen=True, slots=True)
class Base:
    """Where a round starts: a checkpoint's tree and round, or the target's reference (its `start/`)."""

    name: str
    tree: str
    round: str | None


def history(run: Run) -> list[Round]:
    """All rounds, oldest first."""
    return rounds(run.ledger, run.target_digest)


def open_round_of(past: list[Round]) -> Round | None:
    """The round that is open, if any."""
    return past[-1] if past and past[-1].closed is None else None


def require_open_round(past: list[Round], name: str | None = None) -> Round:
    """The open round, which must be `name` when that is given."""
    current = open_round_of(past)
    if name is not None and all(item.id != name for item in past):
        raise _no_round(name, past)
    if current is None or name not in (None, current.id):
        what = f"Round {name} is closed already" if name else "No round is open"
        hint = f"{current.id} is the open one." if current else "open_round (by the Orchestrator) opens one."
        raise Refused(f"{what}.", hint)
    return current


def require_round(past: list[Round], name: str | None) -> Round:
    """The named round, or the open one."""
    if name is None:
        return require_open_round(past)
    found = next((item for item in past if item.id == name), None)
    if found is None:
        raise _no_round(name, past)
    return found


def require_attempt(past: list[Round], name: str) -> tuple[Round, Attempt]:
    """The candidate `C…`, or the newest one with that tree, with its round."""
    for item in reversed(past):
        for attempt in reversed(item.attempts):
            if name in (attempt.candidate, attempt.tree):
                return item, attempt
    raise NotFound(f"There is no candidate {name[:60]!a}.", "show_round names the candidates of a round.")


def find_base(run: Run, repository: Repository, name: str | None) -> Base:
    """The base called `name`: reference, a promoted round or checkpoint tree; the newest checkpoint if None."""
    promoted = [
        record
        for record in run.ledger.records("checkpoint.promoted", newest_first=True)
        if evidence_on(run.ledger, record.subject, run.target_digest).gate_passed  # it may have failed since
    ]
    if name == REFERENCE or (name is None and not promoted):
        return Base(REFERENCE, _start_tree(run, repository), None)
    found = promoted[0] if name is None else _matching(promoted, name)
    if found is None:
        raise NotFound(
            f"{name!a} is no promoted checkpoint.",
            "list_checkpoints names them: give a promoted round, its tree, or reference.",
        )
    return Base(found.subject, found.subject, str(found.body["round"]))


def _matching(promoted: list[Record], name: str) -> Record | None:
    by_round = [record for record in promoted if record.body["round"] == name]
    by_tree = [record for record in promoted if _TREE_START.match(name) and record.subject.startswith(name)]
    if len({record.subject for record in by_tree}) > 1:
        raise BadRequest(f"{name} is the beginning of several trees.", "Give the whole tree id.")
    return next(iter(by_round + by_tree), None)


def _start_tree(run: Run, repository: Repository) -> str:
    """The tree of the first round: what the target ships as `start/`, or nothing."""
    start = run.layout.target / "start"
    return repository.snapshot(start) if start.is_dir() else repository.empty_tree()


def _no_round(name: str, past: list[Round]) -> NotFound:
    hint = f"The newest is {past[-1].id}." if past else "No round was opened yet."
    return NotFound(f"There is no round {name[:60]!a}.", f"{hint} list_checkpoints lists them.")
