"""A recorded run on disk: read strictly, applied idempotently."""

import json
from pathlib import Path

import pytest

from vibeserve.core.errors import BadRequest, NotFound
from vibeserve.core.roles import Role
from vibeserve.sessions.recording import CallStep, EditStep, RecordedTurn, Recording, write_turn


def test_turns_come_back_in_order(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    first = RecordedTurn(role="orchestrator", steps=[CallStep(tool="list_issues")])
    second = RecordedTurn(role="implementer", steps=[EditStep(edit="001", deleted=["old.py"])])
    for turn in (first, second):
        write_turn(recording.new_turn_path(Role(turn.role)), turn)
    assert recording.turns() == [first, second]


def test_an_empty_folder_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no recorded run"):
        Recording(tmp_path).turns()


@pytest.mark.parametrize(
    "turn",
    [
        {"role": "human", "steps": []},
        {"role": "judge", "steps": [{"tool": "run_gate", "argumnts": {}}]},
        {"role": "judge", "steps": [{"edit": "../../etc"}]},
    ],
)
def test_a_malformed_turn_is_refused(tmp_path: Path, turn: dict[str, object]) -> None:
    (tmp_path / "turns").mkdir()
    (tmp_path / "turns" / "001-judge.json").write_text(json.dumps(turn))
    with pytest.raises(BadRequest, match="not a recorded turn"):
        Recording(tmp_path).turns()


def test_an_edit_applies_twice_as_once(tmp_path: Path) -> None:
    workspace, recording = tmp_path / "workspace", Recording(tmp_path / "recording")
    (workspace / "deep").mkdir(parents=True)
    (workspace / "deep" / "serve.py").write_text("new")
    step = recording.save_edit(workspace, ["deep/serve.py"], ["gone.py"])
    (workspace / "deep" / "serve.py").write_text("old")
    (workspace / "gone.py").write_text("x")
    for _ in range(2):
        recording.apply(step, workspace)
        assert (workspace / "deep" / "serve.py").read_text() == "new"
        assert not (workspace / "gone.py").exists()


@pytest.mark.parametrize("name", ["../outside.py", "/etc/outside.py", "linked/outside.py"])
def test_a_recording_edits_the_workspace_alone(tmp_path: Path, name: str) -> None:
    workspace, recording = tmp_path / "workspace", Recording(tmp_path / "recording")
    workspace.mkdir()
    (tmp_path / "outside.py").write_text("mine")
    (workspace / "linked").symlink_to(tmp_path)
    with pytest.raises(BadRequest, match="not lie in the workspace"):
        recording.apply(EditStep(edit="001", deleted=[name]), workspace)
    assert (tmp_path / "outside.py").read_text() == "mine"


def test_a_link_in_the_workspace_is_replaced_and_not_followed(tmp_path: Path) -> None:
    workspace, recording = tmp_path / "workspace", Recording(tmp_path / "recording")
    workspace.mkdir()
    (workspace / "serve.py").write_text("new")
    step = recording.save_edit(workspace, ["serve.py"], [])
    (tmp_path / "outside.py").write_text("mine")
    (workspace / "serve.py").unlink()
    (workspace / "serve.py").symlink_to(tmp_path / "outside.py")
    recording.apply(step, workspace)
    assert (tmp_path / "outside.py").read_text() == "mine"
    assert (workspace / "serve.py").read_text() == "new"
