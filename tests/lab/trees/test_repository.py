"""Snapshots and checkouts are byte-exact whatever the folder brings along; objects stay reachable."""

import os
import subprocess
import threading
from pathlib import Path

import pytest

from vibeserve.core.errors import BadRequest, InfrastructureFailed, NotFound
from vibeserve.lab.trees import Repository
from vibeserve.lab.trees import repository as repository_module
from vibeserve.lab.trees.git import BareGit

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "checkpoints.git")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Everything that git could be tempted to change."""
    folder = tmp_path / "workspace"
    (folder / "sub" / "deeper").mkdir(parents=True)
    (folder / ".gitattributes").write_text("* text eol=crlf ident filter=lfs working-tree-encoding=UTF-16 -diff\n")
    (folder / ".gitignore").write_text("*\n")
    (folder / "sub" / ".gitattributes").write_text("* text eol=lf\n")
    (folder / "crlf.txt").write_bytes(b"one\r\ntwo\r\n$Id$\n")
    (folder / "lf.txt").write_bytes(b"one\ntwo\n")
    (folder / "sub" / "mixed").write_bytes(bytes(range(256)) + b"\r\n\n\r")
    (folder / "empty").write_bytes(b"")
    (folder / "name with spaces \u00e9 \u6f22").write_text("x")
    (folder / "-n").write_text("an option?")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("sub/mixed")
    (folder / "sub" / "deeper" / "up").symlink_to("../../lf.txt")
    (folder / "dangling").symlink_to("not/there")
    return folder


def contents(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Kind and bytes of every file and link below a folder."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = ("link", os.fsencode(path.readlink()))
        elif path.is_file():
            kind = "program" if path.stat().st_mode & 0o100 else "file"
            found[name] = (kind, path.read_bytes())
    return found


def test_a_round_trip_is_byte_exact(repository: Repository, folder: Path, tmp_path: Path) -> None:
    tree = repository.snapshot(folder)
    repository.checkout(tree, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(folder)
    assert repository.snapshot(tmp_path / "out") == tree


def test_interpreter_caches_are_left_out(repository: Repository, folder: Path) -> None:
    before = repository.snapshot(folder)
    (folder / "sub" / "__pycache__").mkdir()
    (folder / "sub" / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert repository.snapshot(folder) == before


def test_the_empty_tree_works(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    assert repository.snapshot(tmp_path / "nothing") == EMPTY_TREE
    assert Repository(tmp_path / "other.git").empty_tree() == EMPTY_TREE
    repository.checkout(EMPTY_TREE, tmp_path / "out")
    assert not any((tmp_path / "out").iterdir())


def test_checkout_wants_an_empty_folder_and_a_known_tree(repository: Repository, folder: Path) -> None:
    tree = repository.snapshot(folder)
    with pytest.raises(BadRequest, match="not empty"):
        repository.checkout(tree, folder)
    for wrong in ("0" * 40, "HEAD", "--help", tree[:12]):
        with pytest.raises(NotFound, match="no tree"):
            repository.checkout(wrong, folder / "x")
    commit = repository.commit(tree, (), "a commit is no tree")
    with pytest.raises(NotFound):
        repository.require_tree(commit)


def test_every_snapshot_survives_a_garbage_collection(repository: Repository, folder: Path, tmp_path: Path) -> None:
    tree = repository.snapshot(folder)
    repository.git.run("gc", "--quiet", "--prune=now")
    repository.checkout(tree, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(folder)


def test_commits_and_refs(repository: Repository, folder: Path) -> None:
    tree = repository.snapshot(folder)
    first = repository.commit(tree, (), "one")
    second = repository.commit(tree, [first], "two")
    assert repository.ref("refs/checkpoints/R1") is None
    repository.set_ref("refs/checkpoints/R1", second)
    assert repository.ref("refs/checkpoints/R1") == second
    assert repository.git.run("rev-list", "--count", second) == b"2\n"


def test_a_surrounding_git_decides_nothing(
    repository: Repository, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when we run inside somebody's hook, or beside a hostile configuration."""
    tree = repository.snapshot(folder)
    hostile = tmp_path / "hostile"
    hostile.write_text(f"[core]\n\thooksPath = {tmp_path}\n\tautocrlf = true\n\tfsmonitor = touch {tmp_path}/owned\n")
    for name in ("GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_WORK_TREE", "GIT_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(hostile))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.autocrlf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    assert repository.snapshot(folder) == tree
    repository.checkout(tree, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(folder)
    assert not (tmp_path / "owned").exists()


def test_a_failing_git_is_a_failure_of_the_infrastructure(repository: Repository) -> None:
    with pytest.raises(InfrastructureFailed, match="git mktree failed") as failure:
        repository.git.run("mktree", stdin=b"nonsense")
    assert failure.value.evidence


def test_git_that_takes_too_long_is_stopped(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    git = repository.git
    monkeypatch.setattr("vibeserve.lab.trees.git.GIT_TIMEOUT_S", 0.2)
    with pytest.raises(InfrastructureFailed):
        git.run("-c", "alias.stuck=!sleep 60", "stuck")


def test_the_lock_of_a_killed_git_does_not_stay(repository: Repository, folder: Path) -> None:
    commit = repository.commit(repository.snapshot(folder), (), "one")
    lock = repository.path / "refs/checkpoints/R1.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with pytest.raises(InfrastructureFailed):
        repository.set_ref("refs/checkpoints/R1", commit)
    old = lock.stat().st_mtime - 2 * repository_module.GIT_TIMEOUT_S
    os.utime(lock, (old, old))
    repository.set_ref("refs/checkpoints/R1", commit)
    assert repository.ref("refs/checkpoints/R1") == commit


def test_many_at_once_make_one_repository_and_the_same_tree(folder: Path, tmp_path: Path) -> None:
    trees: list[str] = []

    def snapshot() -> None:
        trees.append(Repository(tmp_path / "new.git").snapshot(folder))

    threads = [threading.Thread(target=snapshot) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(trees) == 6
    assert len(set(trees)) == 1
    assert not list(tmp_path.glob(".repository-*"))


def test_the_repository_itself_is_sound(repository: Repository, folder: Path) -> None:
    repository.snapshot(folder)
    checked = subprocess.run(
        ["git", "--git-dir", str(repository.path), "fsck", "--strict"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert not (repository.path / "hooks").exists()
    assert BareGit(repository.path).run("config", "core.bare") == b"true\n"
