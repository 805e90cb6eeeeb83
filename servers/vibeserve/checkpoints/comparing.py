"""A candidate's changes, summary first, the patch in pages and fenced as data."""

from vibeserve.checkpoints.finding import history, require_attempt
from vibeserve.checkpoints.results import ChangedFile, Difference
from vibeserve.core.artifacts import printable
from vibeserve.core.errors import BadRequest, NotFound
from vibeserve.core.rounds import Attempt, Round
from vibeserve.core.session import Session
from vibeserve.core.texts import excerpt, fenced
from vibeserve.lab.trees.differences import FileChange, changed_files, patch
from vibeserve.lab.trees.workspace import repository_of

PAGE_BYTES = 4000
SHOWN_FILES = 20


def diff_candidate(session: Session, candidate: str, against: str, path: str | None, offset: int) -> Difference:
    """A page of the patch from `against` (base, a candidate or a tree) to the candidate."""
    repository = repository_of(session.run)
    past = history(session.run)
    item, attempt = require_attempt(past, candidate)
    before = _other_tree(past, item, against)
    changes = changed_files(repository, before, attempt.tree)
    if path is not None and all(path != change.path for change in changes):
        raise NotFound(f"{path[:120]!a} is not among the changed files.", "Call without path to see which are.")
    text = printable(patch(repository, before, attempt.tree, path)).encode("utf-8", "replace")
    if not 0 <= offset <= len(text):
        raise BadRequest(f"offset {offset} lies outside the patch.", f"Use 0 to {len(text)}.")
    page = text[offset : offset + PAGE_BYTES].decode("utf-8", "ignore")
    end = offset + len(page.encode())
    return _difference(attempt, before, changes, first_page=offset == 0).model_copy(
        update={
            "patch": fenced(page),
            "total_bytes": len(text),
            "next_offset": end if end < len(text) else None,
        }
    )


def _other_tree(past: list[Round], item: Round, against: str) -> str:
    if against == "base":
        return str(item.opened.body["base_tree"])
    if against.startswith("C"):
        return require_attempt(past, against)[1].tree
    return against


def _difference(attempt: Attempt, before: str, changes: list[FileChange], *, first_page: bool) -> Difference:
    """The summary; the files are named on the first page only."""
    shown = changes[:SHOWN_FILES] if first_page else []
    return Difference(
        candidate=attempt.candidate,
        tree=attempt.tree,
        against=before,
        files_changed=len(changes),
        added_lines=sum(change.added_lines or 0 for change in changes),
        deleted_lines=sum(change.deleted_lines or 0 for change in changes),
        binary_files=sum(change.added_lines is None for change in changes),
        files=[
            ChangedFile(
                path=excerpt(change.path, 100),
                change=change.change,
                old_path=excerpt(change.old_path, 100) if change.old_path else None,
                added_lines=change.added_lines,
                deleted_lines=change.deleted_lines,
            )
            for change in shown
        ],
        patch="",
        total_bytes=0,
    )
