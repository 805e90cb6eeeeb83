"""memory.md: edits go to the ledger first and then to the file; what a person changed by hand is taken in.

An edit is noted as pending in the transaction that records it. A process killed between ledger and file leaves
the note and the old text: whoever comes next makes that edit. A person who undoes an edit by hand leaves no note.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vibeserve.core.errors import Conflict, InfrastructureFailed
from vibeserve.core.locks import exclusive
from vibeserve.core.roles import Actor, Role
from vibeserve.core.run import MEMORY_START, Run
from vibeserve.core.session import Session
from vibeserve.memory.sections import Section, find, split, version_of, with_section

MIGRATIONS = [
    """
    CREATE TABLE memory_pending (file_before TEXT NOT NULL, section TEXT NOT NULL, text TEXT NOT NULL);
    """
]
MAX_FILE_BYTES = 2**20
OUTSIDE = Actor(Role.HUMAN, "outside", client="editor")


@dataclass(frozen=True, slots=True)
class Document:
    """The text of memory.md as it is now."""

    text: str

    @property
    def sections(self) -> list[Section]:
        """Its named sections."""
        return [section for section in split(self.text) if section.name]


def read(run: Run) -> Document:
    """The document, repaired or with outside edits recorded."""
    with _locked(run):
        return Document(_settled(run))


def edit(session: Session, name: str, text: str, version: str) -> str:
    """Replace a section, compare-and-set on its version ("" for one that is new); returns the new version."""
    run, text = session.run, text.strip()
    with _locked(run):
        before = _settled(run)
        current = find(split(before), name)
        found = current.version if current else ""
        if found != version:
            raise _conflict(name, found, version)
        after = with_section(before, name, text)
        body = {
            "section": current.name if current else name,
            "old_version": version,
            "version": version_of(text) if text else "",
            "text": text,
            "file_before": _digest(before),
            "file": _digest(after),
        }
        with run.tx() as tx:
            session.append(tx, "memory.edited", str(body["section"]), body)
            pending = (body["file_before"], body["section"], text)
            tx.execute("INSERT INTO memory_pending VALUES (?, ?, ?)", pending)
        _finish(run, before, after)
    return str(body["version"])


def _settled(run: Run) -> str:
    """The file's text, after the last edit was finished if it was cut off, and outside edits were recorded."""
    text = _load(run.layout.memory)
    for pending in run.database.read("SELECT * FROM memory_pending"):
        if _digest(text) == pending["file_before"]:
            finished = with_section(text, pending["section"], pending["text"])
            _finish(run, text, finished)
            return finished
        _clear_pending(run)
    last = run.ledger.last("memory.edited")
    known = str(last.body["file"]) if last else _digest(MEMORY_START)
    if _digest(text) != known:
        _record_outside_edit(run, text, known)
    return text


def _record_outside_edit(run: Run, text: str, before: str) -> None:
    """A person's edit counts as it stands; the whole text is kept as an artifact, the ledger names it."""
    body = {
        "section": "*",
        "old_version": before[:12],
        "version": _digest(text)[:12],
        "outside": True,
        "text": f"outside edit; the whole text is artifact {run.artifacts.put(text, 'memory.md')}",
        "sections": {section.name: section.version for section in split(text) if section.name},
        "file_before": before,
        "file": _digest(text),
    }
    with run.tx() as tx:
        tx.append(OUTSIDE, "memory.edited", "*", body)


def _finish(run: Run, before: str, after: str) -> None:
    """Make a recorded edit in the file, in one step, unless somebody wrote to it just now."""
    path = run.layout.memory
    draft = path.with_suffix(".draft")
    draft.write_bytes(after.encode())
    if _load(path) != before:
        draft.unlink()
        _clear_pending(run)
        raise Conflict(
            "memory.md was changed by hand at this very moment; that edit was kept, yours is in the ledger.",
            "Read the section again with read_memory, then repeat your edit.",
        )
    draft.replace(path)
    _clear_pending(run)


def _clear_pending(run: Run) -> None:
    with run.database.tx() as connection:
        connection.execute("DELETE FROM memory_pending")


def _load(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ""
    if len(data) > MAX_FILE_BYTES:
        raise InfrastructureFailed(
            f"memory.md has {len(data)} bytes, more than {MAX_FILE_BYTES}.", "Shorten it by hand, then call again."
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InfrastructureFailed(
            "memory.md is not UTF-8 text.", "Save it as UTF-8 by hand, then call again; nothing was changed."
        ) from error


def _conflict(name: str, found: str, given: str) -> Conflict:
    if not given:
        return Conflict(f"There is a section {name!a} already.", f"read_memory it, then edit version {found}.")
    if not found:
        return Conflict(f"There is no section {name!a}.", "Call again with an empty version to add it.")
    return Conflict(
        f"Section {name!a} is at version {found}, not {given}: somebody changed it.",
        "Read it again with read_memory, then decide anew.",
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _locked(run: Run) -> Iterator[None]:
    run.database.migrate("memory", MIGRATIONS)
    with exclusive(run.layout.root / "memory.lock"):
        yield
