"""The supervisor's parts by themselves."""

import os
import struct
from pathlib import Path

import pytest

from vibeserve.lab.isolation.supervisor import namespaces, seccomp, staging, uids
from vibeserve.lab.isolation.supervisor.capture import Capture, LogFile, visible


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"plain\ttext\n", "plain\ttext\n"),
        (b"\x1b[2J\x07\x00", "␛[2J␇␀"),
        (b"a\r\nb\rc", "a\nb␍c"),
        (b"\xff\xc3", "��"),
        ("\u202egnp\u200b\u2028".encode(), "\\u202egnp\\u200b\\u2028"),
        ("\U000e0041é\x9b".encode(), "\\U000e0041é\\u009b"),
    ],
)
def test_hostile_text_is_made_visible(data: bytes, shown: str) -> None:
    assert visible(data) == shown


def test_capture_counts_what_it_leaves_out() -> None:
    capture = Capture(10)
    capture.add(b"01234")
    capture.add(b"56789")
    assert capture.text() == "0123456789"
    capture.add(b"abc")
    assert capture.text() == "01234\n[… 3 bytes left out …]\n89abc"
    for _ in range(1000):
        capture.add(b"xyz")
    assert capture.text() == "01234\n[… 3003 bytes left out …]\nyzxyz"


def test_a_log_file_refuses_a_planted_link(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        LogFile(str(tmp_path / "log"))


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_jump_of_the_filter_stays_inside_it(machine: str) -> None:
    program = seccomp.program(machine)
    instructions = list(struct.iter_unpack("=HBBI", program))
    assert len(instructions) < 4096
    for place, (operation, if_true, if_false, _) in enumerate(instructions):
        if operation & 7 == 5:
            assert place + 1 + max(if_true, if_false) < len(instructions)
    assert instructions[-1][0] == 6


def test_no_filter_for_an_unknown_machine() -> None:
    with pytest.raises(OSError, match="riscv64"):
        seccomp.program("riscv64")


@pytest.mark.parametrize(("owner", "uid"), [(0, 2_000_000_007), (1000, 2_000_000_000), (5, 6)])
def test_a_mapping_moves_one_id_and_keeps_the_rest(owner: int, uid: int) -> None:
    lines = [tuple(map(int, line.split())) for line in staging._mapping(owner, uid).splitlines()]
    mapped = {inside: outside for inside, outside, count in lines if count == 1}
    assert mapped[owner] == uid
    for other in (0, 1, 999, 65534, 2**32 - 2):
        if other not in (owner, uid):
            ranges = [(inside, outside) for inside, outside, count in lines if inside <= other < inside + count]
            assert len(ranges) == 1
            assert ranges[0][0] == ranges[0][1]
    taken = sum(count for _, _, count in lines)
    assert taken == 2**32 - 2  # all but `uid` itself and the invalid id


def test_the_network_of_the_machine_is_never_joined() -> None:
    with pytest.raises(OSError, match="no namespaces of its own"):
        namespaces.enter(os.getpid(), root=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root allocates uids")
def test_uids_are_unique_while_they_are_held() -> None:
    read, write = os.pipe()
    children = []
    hold_read, hold_write = os.pipe()
    for _ in range(8):
        child = os.fork()
        if child == 0:
            os.close(hold_write)
            uid, _lock = uids.allocate()
            os.write(write, struct.pack("=I", uid))
            os.read(hold_read, 1)
            os._exit(0)
        children.append(child)
    seen = [struct.unpack("=I", os.read(read, 4))[0] for _ in children]
    os.close(hold_write)
    for child in children:
        os.waitpid(child, 0)
    for fd in (read, write, hold_read):
        os.close(fd)
    assert len(set(seen)) == 8
    assert all(uids.FIRST_UID <= uid < uids.FIRST_UID + uids.SLOTS for uid in seen)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_giving_a_tree_away_follows_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("")
    top = tmp_path / "top"
    (top / "deep").mkdir(parents=True)
    (top / "deep" / "file").write_text("")
    (top / "link").symlink_to(outside)
    (top / "directory-link").symlink_to(tmp_path)
    staging.give_to(str(top), 12345)
    assert outside.stat().st_uid == tmp_path.stat().st_uid == 0
    assert {path.lstat().st_uid for path in [top, *top.rglob("*")]} == {12345}
