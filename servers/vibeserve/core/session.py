"""One client's session with a run: who acts, how progress is told, what dies with it."""

import contextlib
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vibeserve.core.ledger import Record
from vibeserve.core.roles import Actor, Role
from vibeserve.core.run import Run, Transaction

Progress = Callable[[str], None]


def silent(_message: str) -> None:
    """Progress that nobody reads."""


@dataclass(slots=True)
class Session:
    """What every tool function receives first.

    `resources` closes when the session ends: services, networks, running jobs.
    """

    run: Run
    actor: Actor
    progress: Progress = silent
    cancelled: threading.Event = field(default_factory=threading.Event)
    resources: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    shared: dict[str, Any] = field(default_factory=dict)

    @property
    def role(self) -> Role:
        """The role that acts."""
        return self.actor.role

    def append(self, tx: Transaction, kind: str, subject: str, body: dict[str, Any]) -> Record:
        """Append a ledger record as this session's actor."""
        return tx.append(self.actor, kind, subject, body)

    def close(self) -> None:
        """Stop everything that belongs to this session."""
        self.cancelled.set()
        self.resources.close()


def new_session_id() -> str:
    """An id for a session that no driver named."""
    return f"S-{secrets.token_hex(4)}"
