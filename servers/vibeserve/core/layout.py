"""Where things lie in a run directory."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one run. `root` is absolute."""

    root: Path

    @property
    def database(self) -> Path:
        """SQLite in WAL mode: the per-server tables and the ledger."""
        return self.root / "run.db"

    @property
    def key(self) -> Path:
        """The Ed25519 private key (mode 0600) that signs ledger records."""
        return self.root / "run.key"

    @property
    def head(self) -> Path:
        """The ledger's head hash, kept outside the database so that a removed last record shows."""
        return self.root / "ledger.head"

    @property
    def memory(self) -> Path:
        """The long-term memory, plain markdown."""
        return self.root / "memory.md"

    @property
    def checkpoints(self) -> Path:
        """The bare, trusted git repository."""
        return self.root / "checkpoints.git"

    @property
    def workspace(self) -> Path:
        """The candidate being edited: plain files."""
        return self.root / "workspace"

    @property
    def set_aside(self) -> Path:
        """What stood in the workspace and no tree can hold, moved here before the workspace was reset."""
        return self.root / "set_aside"

    @property
    def target(self) -> Path:
        """The read-only snapshot of the target."""
        return self.root / "target"

    @property
    def artifacts(self) -> Path:
        """Logs, results and profiles, named by content hash."""
        return self.root / "artifacts"

    @property
    def tokens(self) -> Path:
        """One bearer token per role, each in a file of mode 0600."""
        return self.root / "tokens"

    @property
    def scratch(self) -> Path:
        """Checkouts and outputs of running jobs; nothing here outlives its job."""
        return self.root / "scratch"

    @property
    def sessions(self) -> Path:
        """One lock file per session: a session is served by one process at a time."""
        return self.root / "sessions"
