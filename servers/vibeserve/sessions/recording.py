"""A recorded run on disk: one file per role turn, and the files that each edit of the workspace changed.

turns/001-orchestrator.json     {"role": …, "steps": [{"tool": …, "arguments": {…}} | {"edit": "001", …}]}
edits/001/…                     the changed files, whole
"""

import json
import shutil
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vibeserve.core.errors import BadRequest, NotFound
from vibeserve.core.explaining import explain
from vibeserve.core.roles import Role


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CallStep(_Strict):
    """One tool call, with references in place of ids. `expect` holds result fields that must recur."""

    tool: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    expect: dict[str, Any] = Field(default_factory=dict)


class EditStep(_Strict):
    """An edit of the workspace: `edits/<edit>` is copied over it, `deleted` paths are removed."""

    edit: str = Field(pattern=r"^\d{3}$")
    deleted: list[str] = Field(default_factory=list)


Step = CallStep | EditStep


class RecordedTurn(_Strict):
    """One role turn."""

    role: Literal["orchestrator", "implementer", "judge", "evaluator"]
    steps: list[Step]

    @property
    def as_role(self) -> Role:
        """The role as the protocol's own type."""
        return Role(self.role)


class Recording:
    """The folder of a recorded run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def turns(self) -> list[RecordedTurn]:
        """All turns in order; NotFound when there are none."""
        paths = sorted((self.folder / "turns").glob("*.json"))
        if not paths:
            raise NotFound(
                f"{self.folder} holds no recorded run.",
                "Choose a preset that has one, or play the roles with a client: `vibeserve mcp --role ROLE`.",
            )
        return [_read(path) for path in paths]

    def apply(self, step: EditStep, workspace: Path) -> None:
        """Make the edit. Making it twice is the same as making it once."""
        source = self.folder / "edits" / step.edit
        for path in sorted(source.rglob("*")):
            if path.is_file():
                place = _place(workspace, path.relative_to(source).as_posix())
                place.parent.mkdir(parents=True, exist_ok=True)
                place.unlink(missing_ok=True)
                shutil.copyfile(path, place)
        for name in step.deleted:
            _place(workspace, name).unlink(missing_ok=True)

    def save_edit(self, workspace: Path, changed: list[str], deleted: list[str]) -> EditStep:
        """Keep the changed files of the workspace as the next edit."""
        number = f"{len(list((self.folder / 'edits').glob('*'))) + 1:03d}"
        for name in changed:
            copy = self.folder / "edits" / number / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(_place(workspace, name), copy, follow_symlinks=False)
        return EditStep(edit=number, deleted=deleted)

    def new_turn_path(self, role: Role) -> Path:
        """The file of the next turn."""
        folder = self.folder / "turns"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{len(list(folder.glob('*.json'))) + 1:03d}-{role.value}.json"


def write_turn(path: Path, turn: RecordedTurn) -> None:
    """Write a turn, replacing what was there in one step."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(turn.model_dump(exclude_defaults=True), indent=2, ensure_ascii=False) + "\n")
    draft.replace(path)


def _place(workspace: Path, name: str) -> Path:
    """Where a path of the workspace lies; BadRequest when it, or a link on its way, leads out of it."""
    parts = PurePosixPath(name).parts
    ways = [workspace.joinpath(*parts[:count]) for count in range(1, len(parts))]
    if not parts or name.startswith("/") or ".." in parts or any(way.is_symlink() for way in ways):
        raise BadRequest(f"{name!a} does not lie in the workspace.", "A recording edits the workspace alone.")
    return workspace / name


def _read(path: Path) -> RecordedTurn:
    try:
        return RecordedTurn.model_validate_json(path.read_text())
    except ValidationError as error:
        raise BadRequest(f"{path} is not a recorded turn: {explain(error, RecordedTurn)}.", "Correct it.") from error
