"""What a verification found: one line for each thing checked, and what all of it does and does not prove."""

from collections.abc import Iterable

from vibeserve.core.texts import excerpt
from vibeserve.delivery.facts import Fact

SHOWN_PROBLEMS = 20
DETAIL_BYTES = 4000


class Check(Fact):
    """One thing checked; `problems` names everything wrong with it."""

    name: str
    ok: bool
    detail: str
    problems: list[str]


def checked(name: str, detail: str, problems: Iterable[str]) -> Check:
    """A check that is good when there are no problems; each is one printable line, whatever names a sender chose."""
    found = [excerpt(" ".join(problem.split()), DETAIL_BYTES) for problem in problems]
    shown = found[:SHOWN_PROBLEMS]
    if len(found) > SHOWN_PROBLEMS:
        shown.append(f"and {len(found) - SHOWN_PROBLEMS} more")
    return Check(name=name, ok=not found, detail=excerpt(detail, DETAIL_BYTES), problems=shown)
