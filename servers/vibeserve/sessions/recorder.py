"""Writes down a role turn while it is played through the real tools (`vibeserve mcp … --record DIR`)."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vibeserve.core.roles import Role
from vibeserve.core.session import Session
from vibeserve.core.tools import Tool
from vibeserve.sessions.recording import CallStep, RecordedTurn, Recording, Step, write_turn
from vibeserve.sessions.symbols import Symbols

ACTS_ON_WORKSPACE = frozenset({"run_command", "start_service", "submit_candidate"})


class Recorder:
    """Stands where a tool is called; what succeeds is written down at once.

    The player may use symbolic references in arguments, so that texts state what a replay will measure.
    """

    def __init__(self, recording: Recording, session: Session) -> None:
        self._recording = recording
        self._role = session.role
        self._workspace = session.run.layout.workspace
        self._symbols = Symbols(session.run.ledger)
        self._seen = hashes(self._workspace)
        self._steps: list[Step] = []
        self._path: Path | None = None

    def __call__(
        self,
        tool: Tool,
        session: Session,
        arguments: dict[str, Any],
        on_wait: Callable[[float, str], None],
    ) -> dict[str, Any]:
        """Resolve references, note edits, call, write down."""
        symbolic = self._symbols.introduce({key: value for key, value in arguments.items() if key != "wait_s"})
        if tool.name in ACTS_ON_WORKSPACE and self._role in (Role.IMPLEMENTER, Role.HUMAN):
            self._note_edit()
        result = tool.call(session, self._symbols.resolve(arguments), on_wait)
        self._symbols.learn(result)
        if "job" not in arguments:
            self._write(CallStep(tool=tool.name, arguments=symbolic))
        if tool.name == "run_gate" and "outcome" in result:
            self._expect({"outcome": result["outcome"]})
        return result

    def _note_edit(self) -> None:
        now = hashes(self._workspace)
        changed = sorted(name for name in now if now[name] != self._seen.get(name))
        deleted = sorted(set(self._seen) - set(now))
        if changed or deleted:
            self._seen = now
            self._write(self._recording.save_edit(self._workspace, changed, deleted))

    def _expect(self, fields: dict[str, Any]) -> None:
        """The gate's outcome belongs to the call that started it, however long it was waited on."""
        last = self._steps[-1]
        if isinstance(last, CallStep):
            self._steps[-1] = last.model_copy(update={"expect": fields})
            self._save()

    def _write(self, step: Step) -> None:
        self._steps.append(step)
        self._save()

    def _save(self) -> None:
        if self._path is None:
            self._path = self._recording.new_turn_path(self._role)
        write_turn(self._path, RecordedTurn.model_validate({"role": self._role.value, "steps": self._steps}))


def hashes(folder: Path) -> dict[str, str]:
    """Relative path → SHA-256 of every regular file, interpreter caches left out."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts
    }
