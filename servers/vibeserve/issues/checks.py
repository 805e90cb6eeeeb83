"""The limits of an issue's fields, and what its dependencies may be."""

from vibeserve.core.backlog import Issue
from vibeserve.core.errors import BadRequest, NotFound
from vibeserve.core.evidence import record_of
from vibeserve.core.ledger import Ledger, Record
from vibeserve.core.texts import require_list, require_text

TITLE_BYTES = 120
BODY_BYTES = 2500
CRITERION_BYTES, MAX_CRITERIA = 200, 6
LABEL_BYTES, MAX_LABELS = 30, 6
GAIN_BYTES = 150
MAX_DEPENDENCIES = 10
LOWEST_PRIORITY = 4
MAX_IDS = 10


def checked_title(title: str) -> str:
    """A title in one line."""
    return require_text("title", " ".join(title.split()), TITLE_BYTES)


def checked_body(body: str) -> str:
    """A body; it may be empty."""
    return require_text("body", body, BODY_BYTES, may_be_empty=True)


def checked_criteria(criteria: list[str]) -> list[str]:
    """Acceptance criteria."""
    return require_list("acceptance_criteria", criteria, CRITERION_BYTES, MAX_CRITERIA)


def checked_labels(labels: list[str]) -> list[str]:
    """Labels."""
    return require_list("labels", labels, LABEL_BYTES, MAX_LABELS)


def checked_gain(gain: str) -> str:
    """An expected gain."""
    return require_text("expected_gain", gain, GAIN_BYTES)


def checked_priority(priority: int) -> int:
    """A priority."""
    if not 0 <= priority <= LOWEST_PRIORITY:
        raise BadRequest(f"priority {priority} does not exist.", f"Use 0 (most urgent) to {LOWEST_PRIORITY} (least).")
    return priority


def checked_dependencies(name: str, depends_on: list[str], issues: dict[str, Issue]) -> list[str]:
    """Dependencies of issue `name`: existing issues, and no cycle through them."""
    wanted = list(dict.fromkeys(depends_on))
    if len(wanted) > MAX_DEPENDENCIES:
        raise BadRequest(
            f"depends_on has {len(wanted)} entries, more than {MAX_DEPENDENCIES}.", "Name the nearest ones."
        )
    unknown = [other for other in wanted if other not in issues and other != name]
    if unknown:
        raise NotFound(f"depends_on names no issue: {unknown[0][:60]!a}.", "list_issues lists them.")
    for other in wanted:
        path = _path(other, name, issues)
        if path:
            cycle = " → ".join([name, *path])
            raise BadRequest(
                f"That would be a cycle of dependencies: {cycle}.", "Leave out one link of it and call again."
            )
    return wanted


def _path(start: str, goal: str, issues: dict[str, Issue]) -> list[str]:
    """The dependencies from `start` to `goal`, both included; empty when there is no way."""
    trails, seen = [[start]], {start}
    while trails:
        trail = trails.pop()
        if trail[-1] == goal:
            return trail
        onward = issues[trail[-1]].depends_on if trail[-1] in issues else ()
        trails.extend([*trail, other] for other in onward if other not in seen)
        seen.update(onward)
    return []


def require_records(ledger: Ledger, names: list[str]) -> list[Record]:
    """The records of ids such as G1 or M2, or NotFound."""
    if len(names) > MAX_IDS:
        raise BadRequest(f"{len(names)} ids are more than {MAX_IDS}.", "Name the most telling ones.")
    records = []
    for name in names:
        record = record_of(ledger, name)
        if record is None:
            raise NotFound(f"The ledger has nothing called {name[:60]!a}.", "Use ids that tools returned, such as G1.")
        records.append(record)
    return records
