"""Taking one change out of a tree that came later: merged by lines, or said why not."""

import os
from pathlib import Path

import pytest

from vibeserve.core.errors import NotFound
from vibeserve.lab.trees import Repository
from vibeserve.lab.trees.without import Clash, without_change

LINES = [f"line {number}\n" for number in range(30)]
Content = str | bytes | Path
Files = dict[str, Content]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "checkpoints.git")


class Trees:
    """Makes trees of files and links (a `Path` is a link's target); names in `programs` are executable."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.repository, self.folder, self.made = repository, folder, 0

    def tree(self, files: Files, programs: tuple[str, ...] = ()) -> str:
        self.made += 1
        folder = self.folder / f"tree-{self.made}"
        folder.mkdir()
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                path.symlink_to(content)
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
                path.chmod(0o755 if name in programs else 0o644)
        return self.repository.snapshot(folder)

    def files(self, tree: str) -> dict[str, bytes]:
        return {file.path: self.repository.read(file.blob) for file in self.repository.files(tree)}

    def without(self, before: Files, after: Files, now: Files) -> dict[str, bytes] | tuple[Clash, ...]:
        """The files of `now` without the change from `before` to `after`, or the clashes."""
        trees = [self.tree(files) for files in (before, after, now)]
        found = without_change(self.repository, trees[2], before=trees[0], after=trees[1])
        return found.clashes if found.tree is None else self.files(found.tree)


@pytest.fixture
def trees(repository: Repository, tmp_path: Path) -> Trees:
    return Trees(repository, tmp_path)


def text(**changed: str) -> str:
    """LINES with some replaced: `text(l3="x")`."""
    lines = list(LINES)
    for name, line in changed.items():
        lines[int(name[1:])] = f"{line}\n"
    return "".join(lines)


def test_a_change_in_other_lines_is_taken_out(trees: Trees) -> None:
    found = trees.without({"f": text()}, {"f": text(l3="fast")}, {"f": text(l3="fast", l20="later")})
    assert found == {"f": text(l20="later").encode()}


def test_whole_files_that_only_the_change_touched_go_back(trees: Trees) -> None:
    before: Files = {"keep": "k", "edited": "old", "gone": "g"}
    after: Files = {"keep": "k", "edited": "new", "made/here": "m"}
    now = after | {"keep": "k2", "later": "l"}
    assert trees.without(before, after, now) == {"keep": b"k2", "edited": b"old", "gone": b"g", "later": b"l"}


def test_what_later_changes_undid_stays_undone(trees: Trees) -> None:
    now: Files = {"f": text(), "g": "later"}
    assert trees.without({"f": text()}, {"f": text(l3="x"), "tmp": "t"}, now) == {"f": text().encode(), "g": b"later"}


def test_line_endings_and_missing_ends_survive(trees: Trees) -> None:
    crlf = text().replace("\n", "\r\n")
    found = trees.without(
        {"f": crlf}, {"f": crlf.replace("line 2\r", "fast\r")}, {"f": crlf.replace("line 2\r", "fast\r") + "end"}
    )
    assert found == {"f": (crlf + "end").encode()}


@pytest.mark.parametrize(
    ("before", "after", "now", "why"),
    [
        ({"f": text()}, {"f": text(l3="x")}, {"f": text(l3="y")}, "was changed in the same lines later"),
        ({}, {"f": "a\n"}, {"f": "b\n"}, "was added by it and edited later"),
        ({"f": "a\n", "g": "g"}, {"f": "b\n", "g": "g"}, {"g": "g"}, "was edited by it and removed later"),
        ({"f": "a\n", "g": "g"}, {"g": "g"}, {"f": "b\n", "g": "g"}, "was removed by it and written anew later"),
        ({"f": b"\0a"}, {"f": b"\0b"}, {"f": b"\0c"}, "is binary and was changed by both"),
        (
            {"f": Path("a"), "a": "a", "b": "b", "c": "c"},
            {"f": Path("b"), "a": "a", "b": "b", "c": "c"},
            {"f": Path("c"), "a": "a", "b": "b", "c": "c"},
            "is a symbolic link on one side and was changed on both",
        ),
        (
            {"f": "a file\n", "g": "g"},
            {"f": Path("g"), "g": "g"},
            {"f": "another\n", "g": "g"},
            "is a symbolic link on one side and was changed on both",
        ),
    ],
)
def test_what_cannot_be_told_apart_is_named(trees: Trees, before: Files, after: Files, now: Files, why: str) -> None:
    assert trees.without(before, after, now) == (Clash("f", why),)


def test_a_file_where_a_folder_would_have_to_be(trees: Trees) -> None:
    found = trees.without({"f": "a file"}, {"g": "g"}, {"g": "g", "f/inner": "later"})
    assert found == (Clash("f", "is a file on one side and a folder on the other"),)


def test_links_and_binaries_that_only_the_change_touched_go_back(trees: Trees) -> None:
    before: Files = {"link": Path("a"), "blob": b"\0old", "a": "a"}
    after: Files = {"link": Path("b"), "blob": b"\0new", "a": "a"}
    found = trees.without(before, after, after | {"later": "l"})
    assert found == {"link": os.fsencode("a"), "blob": b"\0old", "a": b"a", "later": b"l"}


def test_modes_are_merged_like_contents(trees: Trees) -> None:
    before, after = trees.tree({"f": text()}), trees.tree({"f": text(l3="x")}, programs=("f",))
    now = trees.tree({"f": text(l3="x", l20="later")}, programs=("f",))
    found = without_change(trees.repository, now, before=before, after=after)
    assert found.tree is not None
    assert [(file.path, file.mode) for file in trees.repository.files(found.tree)] == [("f", "100644")]


def test_a_tree_made_this_way_is_one_like_any_other(trees: Trees, repository: Repository, tmp_path: Path) -> None:
    one, two, three = (trees.tree(files) for files in ({"a": "1"}, {"a": "1", "b": "2"}, {"a": "3", "b": "2"}))
    found = without_change(repository, three, before=one, after=two)
    assert found.tree == trees.tree({"a": "3"})
    repository.checkout(found.tree or "", tmp_path / "out")
    assert (tmp_path / "out" / "a").read_text() == "3"
    assert repository.ref(f"refs/trees/{found.tree}")


def test_an_unknown_tree_is_not_found(trees: Trees, repository: Repository) -> None:
    tree = trees.tree({"a": "1"})
    with pytest.raises(NotFound):
        without_change(repository, tree, before="f" * 40, after=tree)
