"""Removing folders that candidates wrote: what was made unwritable goes, what a link points to stays."""

import os
from pathlib import Path

from vibeserve.core.folders import make_writable, remove_folder


def test_a_locked_folder_is_opened_and_nothing_else(tmp_path: Path) -> None:
    locked, file, link = tmp_path / "locked", tmp_path / "file", tmp_path / "link"
    locked.mkdir(mode=0)
    file.touch(mode=0o400)
    link.symlink_to(locked)
    for path in (file, link):
        make_writable(path)
    assert locked.stat().st_mode & 0o777 == 0
    assert file.stat().st_mode & 0o777 == 0o400
    make_writable(locked)
    assert locked.stat().st_mode & 0o777 == 0o700


def test_an_ordinary_user_removes_what_was_made_unwritable(tmp_path: Path) -> None:
    """In a child that gives up root, if we are root: root is refused nothing."""
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    (folder / "a" / "b").mkdir(parents=True)
    outside.mkdir(mode=0o755)
    (outside / "kept").touch()
    (folder / "a" / "b" / "file").touch()
    (folder / "a" / "link").symlink_to(outside)
    if os.getuid() == 0:
        for path in (tmp_path, folder, folder / "a", folder / "a" / "b", folder / "a" / "b" / "file"):
            os.chown(path, 65534, 65534)
    for path in (folder / "a" / "b", folder / "a"):
        path.chmod(0)
    here = os.open(tmp_path, os.O_RDONLY)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.fchdir(here)  # the folders above may be closed to everybody else
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            remove_folder(Path("folder"))
            status = 0
        finally:
            os._exit(status)
    os.close(here)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not folder.exists()
    assert (outside / "kept").exists()
    assert outside.stat().st_mode & 0o777 == 0o755
