"""What a tree may not hold: each hostile or oversized folder is refused with its reason."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from vibeserve.core.errors import Refused
from vibeserve.core.folders import remove_folder
from vibeserve.lab.trees import Limits, Repository
from vibeserve.lab.trees.walk import Walk

SMALL = Limits(files=5, total_bytes=3000, file_bytes=2000, depth=4)


def repository_inside(name: str, depth: int) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        inner = folder.joinpath(*["deep"] * depth, name)
        inner.mkdir(parents=True)
        (inner / "config").write_text("[core]\n\tfsmonitor = touch owned\n")

    return make


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


def unix_socket(folder: Path) -> None:
    here = Path.cwd()
    os.chdir(folder)  # a socket's path may have 108 bytes only
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("socket")
    finally:
        os.chdir(here)


def link(target: str, at: str = "link") -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / at).parent.mkdir(parents=True, exist_ok=True)
        (folder / at).symlink_to(target)

    return make


def file_named(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text("x") and None


def case_clash(folder: Path) -> None:
    (folder / "Model.py").write_text("a")
    (folder / "model.py").write_text("b")


def clash_of_folders(folder: Path) -> None:
    (folder / "a" / "Straße").mkdir(parents=True)
    (folder / "a" / "STRASSE").mkdir()


def many_files(folder: Path) -> None:
    for number in range(6):
        (folder / f"{number}").write_text("x")


def many_folders(folder: Path) -> None:
    for number in range(6):
        (folder / f"{number}").mkdir()


def one_large_file(folder: Path) -> None:
    (folder / "weights").write_bytes(b"x" * 2001)


def large_together(folder: Path) -> None:
    (folder / "a").write_bytes(b"x" * 1600)
    (folder / "b").write_bytes(b"x" * 1600)


def sparse_file(folder: Path) -> None:
    with (folder / "sparse").open("wb") as file:
        file.truncate(2**40)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (repository_inside(".git", 0), "may not carry a repository"),
        (repository_inside(".git", 2), "may not carry a repository"),
        (repository_inside(".GiT", 1), "may not carry a repository"),
        (repository_inside("GIT~1", 1), "may not carry a repository"),
        (file_named(".git"), "may not carry a repository"),
        (pipe, "neither a file"),
        (unix_socket, "neither a file"),
        (link("/etc/passwd"), "may lead out of the tree"),
        (link("../run.key"), "may lead out of the tree"),
        (link("../../x", at="a/link"), "may lead out of the tree"),
        (link("a/../../x"), "may lead out of the tree"),
        (link("new\nline"), "unprintable"),
        (file_named("new\nline"), "control or invisible"),
        (file_named("escape\x1b[31m"), "control or invisible"),
        (file_named("bidi\u202egpj.py"), "control or invisible"),
        (file_named(os.fsdecode(b"latin\xe9")), "control or invisible"),
        (case_clash, "only in case"),
        (clash_of_folders, "only in case"),
        (many_files, "over 5 files"),
        (many_folders, "over 5 folders"),
        (one_large_file, "larger than"),
        (large_together, "takes the tree over"),
        (sparse_file, "larger than"),
        (repository_inside("leaf", 5), "folders deep"),
    ],
)
def test_a_hostile_folder_is_refused(tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
    folder = tmp_path / "workspace"
    folder.mkdir()
    make(folder)
    repository = Repository(tmp_path / "checkpoints.git")
    with pytest.raises(Refused, match=reason) as refusal:
        repository.snapshot(folder, SMALL)
    assert refusal.value.message.isprintable()
    assert refusal.value.next_step
    assert not (tmp_path / "owned").exists()
    assert not list(repository.path.glob("call-*"))


def test_a_name_that_git_would_leave_out_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / ".gitmodules").symlink_to("elsewhere")
    with pytest.raises(Refused, match="git does not"):
        Repository(tmp_path / "checkpoints.git").snapshot(folder)


def test_links_that_could_only_together_lead_out_are_refused(tmp_path: Path) -> None:
    """up points to the root; up/../.. looks harmless by name and is not."""
    folder = tmp_path / "workspace"
    (folder / "p" / "q").mkdir(parents=True)
    (folder / "p" / "q" / "up").symlink_to("../..")
    (folder / "out").symlink_to("p/q/up/../../x")
    with pytest.raises(Refused, match="'out' is a symbolic link that may lead out"):
        Repository(tmp_path / "checkpoints.git").snapshot(folder)


def test_what_changes_while_it_is_read_is_never_followed(tmp_path: Path) -> None:
    """A file swapped for a link or a pipe between looking and opening."""
    staging, folder = tmp_path / "staging", tmp_path / "workspace"
    staging.mkdir()
    folder.mkdir()
    (tmp_path / "secret").write_text("key")
    (folder / "swapped").symlink_to("../secret")
    os.mkfifo(folder / "pipe")
    handle = os.open(folder, os.O_RDONLY)
    try:
        for name in ("swapped", "pipe"):
            with pytest.raises(OSError):
                Walk(staging, Limits())._file(handle, name, name)
        with pytest.raises(OSError):
            Walk(staging, Limits())._subdirectory(handle, "swapped", "swapped", 1)
    finally:
        os.close(handle)
    assert not any(staging.iterdir())


def test_the_folder_itself_may_not_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "workspace").symlink_to("real")
    with pytest.raises(Refused, match="not a folder that can be read"):
        Repository(tmp_path / "checkpoints.git").snapshot(tmp_path / "workspace")


def test_removing_follows_no_link_and_overcomes_missing_permissions(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "link").symlink_to(outside)
    (folder / "inner").chmod(0o500)
    remove_folder(folder)
    remove_folder(folder)
    assert not folder.exists()
    assert (outside / "kept").exists()
