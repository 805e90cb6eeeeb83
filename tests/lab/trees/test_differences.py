"""Comparing trees: a summary that tells renames and binaries, and a patch that nothing can hide from."""

from pathlib import Path

import pytest

from vibeserve.core.errors import NotFound
from vibeserve.lab.trees import Repository
from vibeserve.lab.trees.differences import FileChange, changed_files, patch

LINES = "".join(f"line {number}\n" for number in range(40))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "checkpoints.git")


def tree_of(repository: Repository, folder: Path, files: dict[str, str | bytes]) -> str:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return repository.snapshot(folder)


def test_the_summary_tells_every_kind_of_change(repository: Repository, tmp_path: Path) -> None:
    before = tree_of(
        repository,
        tmp_path / "a",
        {"same": "x", "moved.py": LINES, "edited": "a\nb\n", "gone": "x\n", "blob": b"\0\1"},
    )
    files = {"same": "x", "sub/to.py": LINES + "z\n", "edited": "a\nc\nd\n", "blob": b"\0\2", "new": "1\n2"}
    after = tree_of(repository, tmp_path / "b", files)
    assert changed_files(repository, before, after) == [
        FileChange("blob", "modified", None, None, None),
        FileChange("edited", "modified", None, 2, 1),
        FileChange("gone", "deleted", None, 0, 1),
        FileChange("new", "added", None, 2, 0),
        FileChange("sub/to.py", "renamed", "moved.py", 1, 0),
    ]


def test_equal_trees_do_not_differ(repository: Repository, tmp_path: Path) -> None:
    tree = tree_of(repository, tmp_path / "a", {"x": "1"})
    assert changed_files(repository, tree, tree) == []
    assert patch(repository, tree, tree) == ""


def test_against_the_empty_tree_everything_is_new(repository: Repository, tmp_path: Path) -> None:
    tree = tree_of(repository, tmp_path / "a", {"x": "1\n"})
    assert changed_files(repository, repository.empty_tree(), tree) == [FileChange("x", "added", None, 1, 0)]


def test_attributes_of_the_candidate_hide_nothing(repository: Repository, tmp_path: Path) -> None:
    before = tree_of(repository, tmp_path / "a", {"serve.py": "a\n"})
    hiding = {".gitattributes": "* -diff binary\n", "serve.py": "answers = {}\n"}
    after = tree_of(repository, tmp_path / "b", hiding)
    assert "+answers = {}" in patch(repository, before, after)


def test_a_binary_file_is_shown_when_it_is_asked_for(repository: Repository, tmp_path: Path) -> None:
    before = tree_of(repository, tmp_path / "a", {"table": b"\0old", "other": "x"})
    after = tree_of(repository, tmp_path / "b", {"table": b"\0new answers", "other": "y"})
    whole = patch(repository, before, after)
    assert "Binary files a/table and b/table differ" in whole
    narrowed = patch(repository, before, after, "table")
    assert "+\0new answers" in narrowed
    assert "other" not in narrowed


def test_a_path_is_a_name_and_no_pattern(repository: Repository, tmp_path: Path) -> None:
    before = tree_of(repository, tmp_path / "a", {"*": "1\n", "x": "1\n"})
    after = tree_of(repository, tmp_path / "b", {"*": "2\n", "x": "2\n"})
    narrowed = patch(repository, before, after, "*")
    assert "a/*" in narrowed
    assert "a/x" not in narrowed


def test_unknown_trees_are_not_found(repository: Repository, tmp_path: Path) -> None:
    tree = tree_of(repository, tmp_path / "a", {"x": "1"})
    for call in (changed_files, patch):
        with pytest.raises(NotFound):
            call(repository, tree, "f" * 40)
