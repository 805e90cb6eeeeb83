"""Who acts, and how far the protocol is enforced against them."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Literal


class Role(StrEnum):
    """A role of the protocol. A person may take any of them."""

    ORCHESTRATOR = "orchestrator"
    IMPLEMENTER = "implementer"
    JUDGE = "judge"
    EVALUATOR = "evaluator"
    HUMAN = "human"


EVERYONE = frozenset(Role)
PLANNERS = frozenset({Role.ORCHESTRATOR, Role.HUMAN})
IMPLEMENTERS = frozenset({Role.IMPLEMENTER, Role.HUMAN})
JUDGES = frozenset({Role.JUDGE, Role.HUMAN})
EVALUATORS = frozenset({Role.EVALUATOR, Role.HUMAN})

Assurance = Literal["isolated", "cooperative"]
"""*isolated*: servers run as another uid, container or host, and the protocol is enforced.
*cooperative*: client and servers share a uid; the protocol guides and records, and stops mistakes."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who a ledger record is by: the role, the session (one role turn), the client that played it."""

    role: Role
    session: str
    client: str = "unknown"
    assurance: Assurance = "cooperative"

    def to_json(self) -> dict[str, str]:
        """The actor as the ledger stores it."""
        return asdict(self)


SYSTEM = "vibeserve"


def system_actor(session: str = SYSTEM) -> Actor:
    """The actor of records that no role makes: a run created, a dead job found."""
    return Actor(Role.HUMAN, session, client=SYSTEM)
