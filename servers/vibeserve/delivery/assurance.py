"""The weakest assurance of a run, and what it means in plain words."""

from vibeserve.core.ledger import Ledger
from vibeserve.core.roles import Assurance

MEANING: dict[Assurance, str] = {
    "isolated": "the servers ran apart from the agents, and the protocol was enforced",
    "cooperative": (
        "agents and servers shared a user, so the protocol guided and recorded and stopped mistakes, not a determined "
        "agent; `vibeserve verify --rerun` is the proof"
    ),
}


def weakest_assurance(ledger: Ledger) -> Assurance:
    """The assurance of the weakest record."""
    weak = any(record.actor.assurance == "cooperative" for record in ledger.records())
    return "cooperative" if weak else "isolated"
