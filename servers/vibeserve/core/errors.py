"""Every error VibeServe raises on purpose, in one tree.

    VibeServeError
    ├── BadRequest             the arguments are wrong; says what to send instead
    ├── Refused                the protocol says no; says which step is missing
    ├── NotFound               no such thing; says how to list what there is
    ├── Conflict               somebody else changed it first; says how to read it again
    ├── BudgetSpent            a limit of the role, turn or run is used up
    ├── CandidateFailed        the candidate is wrong; carries the evidence
    └── InfrastructureFailed   the machinery failed; never counted against a candidate
        ├── DiskFull           a disk is full; nothing that is on record is lost
        └── ServerKilled       a server died by SIGKILL with no visible author; of one tree forgiven twice

Each carries one clear sentence and the next safe step. No next step ever destroys state.
"""


class VibeServeError(Exception):
    """One clear sentence (`message`) and the next safe step (`next_step`)."""

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    @property
    def kind(self) -> str:
        """The name of the error in the tree, as tools report it."""
        return type(self).__name__

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()


class BadRequest(VibeServeError):
    """The arguments are wrong."""


class Refused(VibeServeError):
    """The protocol does not allow this now."""


class NotFound(VibeServeError):
    """There is no such thing."""


class Conflict(VibeServeError):
    """The thing changed since it was read."""


class BudgetSpent(VibeServeError):
    """A limit is used up."""


class CandidateFailed(VibeServeError):
    """The candidate is wrong. `evidence` is what shows it (log tail, exit status, measured values)."""

    def __init__(self, message: str, next_step: str = "", evidence: str = "") -> None:
        super().__init__(message, next_step)
        self.evidence = evidence


class InfrastructureFailed(VibeServeError):
    """The machinery failed. `evidence` lies outside the candidate."""

    def __init__(self, message: str, next_step: str = "", evidence: str = "") -> None:
        super().__init__(message, next_step)
        self.evidence = evidence


class DiskFull(InfrastructureFailed):
    """A disk has no room left."""


class ServerKilled(InfrastructureFailed):
    """SIGKILL ended a server, and no limit of ours sent it: its author cannot be seen."""
