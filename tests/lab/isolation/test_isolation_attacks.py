"""What hostile code tries inside a sandbox, with the control that shows that the attempt works outside."""

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vibeserve.lab.isolation import Job, Mount, python_runtime, run, start

# Each attempt prints REACHED when it succeeds.
ATTEMPT = """
import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, action):
    try:
        result = action()
    except Exception as error:
        print("denied", name, type(error).__name__, error)
        return
    if isinstance(result, int) and result < 0:
        print("denied", name, os.strerror(ctypes.get_errno()))
    else:
        print("REACHED", name)
"""

WRITES = (
    ATTEMPT
    + """
top = sys.argv[1] if len(sys.argv) > 1 else "/target"
attempt("write", lambda: open(f"{top}/file", "w").write("x"))
attempt("append by ..", lambda: open(f"{top}/sub/../file", "a").write("x"))
attempt("by /proc/self/root", lambda: open(f"/proc/self/root{top}/file", "a").write("x"))
attempt("create", lambda: open(f"{top}/new", "w").close())
attempt("chmod", lambda: os.chmod(f"{top}/file", 0o777))
attempt("symlink", lambda: os.symlink("/tmp", f"{top}/link"))
attempt("hard link", lambda: os.link(f"{top}/file", f"{top}/hard"))
attempt("truncate", lambda: os.truncate(f"{top}/file", 0))
attempt("utime", lambda: os.utime(f"{top}/file"))
attempt("rename", lambda: os.rename(f"{top}/file", f"{top}/moved"))
attempt("mkdir", lambda: os.mkdir(f"{top}/directory"))
attempt("remove directory", lambda: os.rmdir(f"{top}/sub"))
"""
)


def _target(caller: Any) -> Path:
    target = caller.directory("target")
    caller.file(target / "file", "original")
    (target / "sub").mkdir()
    os.chown(target / "sub", caller.uid, caller.uid)
    return target


def test_a_read_only_mount_cannot_be_changed(caller: Any) -> None:
    target = _target(caller)
    outcome = caller.python(WRITES, (Mount(target, "/target"),))
    assert outcome.ok, outcome
    assert "REACHED" not in outcome.stdout
    assert outcome.stdout.count("denied") == 12
    assert (target / "file").read_text() == "original"
    assert sorted(path.name for path in target.iterdir()) == ["file", "sub"]


def test_a_writable_mount_can_be_changed_and_stays_its_owners(caller: Any) -> None:
    target = _target(caller)
    outcome = caller.python(WRITES, (Mount(target, "/target", writable=True),))
    assert "denied" not in outcome.stdout, outcome
    assert {path.lstat().st_uid for path in target.rglob("*")} == {caller.uid}


def test_two_names_of_one_directory_do_not_make_it_writable(caller: Any) -> None:
    target = _target(caller)
    work = caller.directory("work")
    code = ATTEMPT + 'attempt("link", lambda: os.link("/target/file", "/mine/file"))'
    outcome = caller.python(code, (Mount(target, "/target"), Mount(work, "/mine", writable=True)))
    assert outcome.ok
    assert "REACHED" not in outcome.stdout


KERNEL = (
    ATTEMPT
    + """
attempt("core_pattern", lambda: os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))
if os.path.exists("/proc/sysrq-trigger"):  # not in every kernel
    attempt("sysrq", lambda: os.open("/proc/sysrq-trigger", os.O_WRONLY))
"""
)
NAMESPACES = (
    ATTEMPT
    + """
CLONE = 56 if os.uname().machine == "x86_64" else 220
def in_child(action):
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, b"y" if action() >= 0 else b"n")
        os._exit(0)
    os.wait()
    return 0 if os.read(read, 1) == b"y" else -1
attempt("unshare user", lambda: in_child(lambda: libc.unshare(0x10000000)))
attempt("unshare mount", lambda: in_child(lambda: libc.unshare(0x00020000)))
attempt("clone3", lambda: in_child(lambda: -1 if libc.syscall(435, 0, 0) < 0 and ctypes.get_errno() == 38 else 0))
attempt("clone user", lambda: in_child(lambda: libc.syscall(CLONE, 0x10000011, 0, 0, 0, 0)))
attempt("chroot", lambda: in_child(lambda: libc.chroot(b"/tmp")))
"""
)


@pytest.mark.skipif(os.geteuid() != 0, reason="the control needs root")
@pytest.mark.parametrize("code", [KERNEL, NAMESPACES], ids=["kernel files", "namespaces"])
def test_the_kernel_is_out_of_reach(caller: Any, outside: Any, code: str) -> None:
    control = outside(code)
    assert "REACHED" in control
    assert "denied" not in control
    outcome = caller.python(code)
    assert outcome.ok, outcome
    assert "REACHED" not in outcome.stdout


def test_mounts_cannot_be_changed(caller: Any) -> None:
    code = (
        ATTEMPT
        + """
attempt("remount", lambda: libc.mount(b"none", b"/target", None, 32 | 4096, None))
attempt("tmpfs over", lambda: libc.mount(b"none", b"/target", b"tmpfs", 0, None))
attempt("bind", lambda: libc.mount(b"/tmp", b"/target", None, 4096, None))
attempt("umount", lambda: libc.umount2(b"/target", 2))
attempt("pivot_root", lambda: libc.syscall(155 if os.uname().machine == "x86_64" else 41, b"/tmp", b"/tmp"))
attempt("device", lambda: os.mknod("/tmp/device", 0o60600, os.makedev(8, 0)))
attempt("io_uring", lambda: libc.syscall(425, 8, ctypes.create_string_buffer(256)))
attempt("open_tree", lambda: libc.syscall(428, -100, b"/target", 1))
attempt("write to /", lambda: open("/new", "w"))
attempt("write to /usr", lambda: open("/usr/new", "w"))
attempt("write to /dev", lambda: open("/dev/new", "w"))
"""
    )
    outcome = caller.python(code, (Mount(_target(caller), "/target"),))
    assert outcome.ok, outcome
    assert "REACHED" not in outcome.stdout


def test_nothing_leaves_by_tcp_or_udp(caller: Any, outside: Any) -> None:
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(("127.0.0.1", 0))
        udp.setblocking(False)
        code = ATTEMPT + (
            f'attempt("tcp", lambda: socket.create_connection(("127.0.0.1", {tcp.getsockname()[1]}), 5))\n'
            "datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            f'datagram.sendto(b"x", ("127.0.0.1", {udp.getsockname()[1]}))\n'
        )
        assert "REACHED tcp" in outside(code)
        assert udp.recv(10) == b"x"
        assert "denied tcp" in caller.python(code).stdout
        with pytest.raises(BlockingIOError):
            udp.recv(10)


def test_no_route_and_no_unusual_sockets(caller: Any, outside: Any) -> None:
    code = (
        ATTEMPT
        + """
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))
for name, kind in (("AF_PACKET", "SOCK_RAW"), ("AF_VSOCK", "SOCK_STREAM"), ("AF_ALG", "SOCK_SEQPACKET")):
    attempt(name, lambda: socket.socket(getattr(socket, name), getattr(socket, kind)))
for address in ("192.0.2.1", "169.254.169.254"):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        attempt(address, lambda: socket.socket(socket.AF_INET, kind).connect((address, 53)))
attempt("name", lambda: socket.getaddrinfo("example.org", 80))
"""
    )
    assert "REACHED netlink" in outside(code)
    outcome = caller.python(code)
    assert outcome.ok, outcome
    assert "REACHED" not in outcome.stdout


def test_the_hosts_environment_and_processes_are_unseen(
    caller: Any, outside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKED_SECRET", "marked-value-4711")
    code = """
import glob, os
seen = [repr(dict(os.environ))]
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    try:
        seen.append(open(path, "rb").read().decode(errors="replace"))
    except OSError:
        pass
print("marked-value-4711" in "".join(seen).replace('"marked-value-4711" in', ""))
print(len(glob.glob("/proc/[0-9]*")), sorted(os.environ))
"""
    assert outside(code).startswith("True")
    outcome = caller.python(code)
    assert outcome.stdout.splitlines() == ["False", "2 ['HOME', 'LANG', 'PATH', 'PWD']"]


def test_files_that_were_not_mounted_do_not_exist(caller: Any, outside: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o644)
    paths = [
        str(secret),
        str(Path.home() / ".bashrc"),
        "/etc/shadow",
        "/etc/hostname",
        "/sys/kernel",
        "/proc/1/root/etc/shadow",
    ]
    code = ATTEMPT + "".join(f"attempt({path!r}, lambda: os.stat({path!r}))\n" for path in paths)
    assert f"REACHED {secret}" in outside(code)
    outcome = caller.python(code)
    assert outcome.ok, outcome
    assert "REACHED" not in outcome.stdout


def test_no_descriptor_is_inherited(own_caller: Any, tmp_path: Path) -> None:
    code = "import os; print(sorted(os.listdir('/proc/self/fd')), len(os.readlink('/proc/self/fd/0')))"
    with (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)
        control = subprocess.run(
            [sys.executable, "-c", code], close_fds=False, capture_output=True, text=True, check=True
        )
        assert f"'{secret.fileno()}'" in control.stdout
        outcome = own_caller.python(code)
    assert outcome.stdout == "['0', '1', '2', '3'] 9\n"  # 3 is the listing itself, 0 is /dev/null


TRACING = (
    ATTEMPT
    + """
import signal
child = os.fork()
if child == 0:
    signal.pause()
attempt("attach", lambda: libc.ptrace(16, child, 0, 0))
os.kill(child, signal.SIGKILL)
"""
)


def test_processes_cannot_be_traced(caller: Any, outside: Any) -> None:
    assert "REACHED attach" in outside(TRACING)
    assert "denied attach" in caller.python(TRACING).stdout


def test_the_caller_cannot_be_signalled(caller: Any, outside: Any) -> None:
    code = ATTEMPT + f'attempt("signal", lambda: os.kill({os.getpid()}, 0))'
    assert "REACHED signal" in outside(code)
    assert "denied signal ProcessLookupError" in caller.python(code).stdout


def test_no_set_user_id_file_comes_out(caller: Any, outside: Any) -> None:
    work = caller.directory("work")
    code = (
        ATTEMPT
        + """
import sys, tempfile
top = sys.argv[1] if len(sys.argv) > 1 else "/mine"
os.chdir(top)
open("plain", "w").close()
attempt("chmod", lambda: os.chmod("plain", 0o4755))
attempt("fchmod", lambda: os.fchmod(os.open("plain", os.O_RDONLY), 0o4755))
attempt("open", lambda: os.open("opened", os.O_CREAT | os.O_WRONLY, 0o4755))
attempt("mknod", lambda: os.mknod("node", 0o104755))
attempt("group", lambda: os.chmod("plain", 0o2755))
attempt("fchmodat2", lambda: libc.syscall(452, -100, b"plain", 0o4755, 0))
print("free", oct(os.stat("plain").st_mode & 0o7777)); os.chmod("plain", 0o755); print("allowed")
"""
    )
    outcome = caller.python(code, (Mount(work, "/mine", writable=True),))
    assert outcome.ok, outcome
    assert "allowed" in outcome.stdout
    assert "REACHED" not in outcome.stdout
    assert not [path for path in work.iterdir() if path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives each sandbox a uid of its own")
def test_a_sandbox_of_root_is_not_root_and_shares_no_uid(own_caller: Any, tmp_path: Path) -> None:
    processes = [start(Job(("sleep", "100")), log_path=tmp_path / f"log{n}") for n in range(3)]
    try:
        uids = set()
        for process in processes:
            own = {Path(f"/proc/{pid}").stat().st_uid for pid in process.pids()}
            own |= {int(Path(f"/proc/{pid}/status").read_text().split("Uid:")[1].split()[0]) for pid in process.pids()}
            assert 0 not in own
            uids |= own
        assert len(uids) == 3
    finally:
        for process in processes:
            process.stop(grace_s=0)


def test_python_runs_at_its_own_path_without_privileges(own_caller: Any) -> None:
    code = (
        "import sys, os; capabilities = open('/proc/self/status').read().split('CapEff:')[1].split()[0]\n"
        "print(sys.executable, sys.prefix, os.getuid(), capabilities)"
    )
    outcome = run(Job((sys.executable, "-c", code), python_runtime()))
    assert outcome.stdout.split() == [sys.executable, sys.prefix, "1000", "0" * 16]


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's mounts need no mapping")
def test_a_file_system_without_id_mapping_is_given_to_the_sandbox(tmp_path: Path) -> None:
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    (tmp_path / "lower" / "file").write_text("original")
    layers = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    script = f'mount -t overlay overlay -o {layers} {tmp_path}/merged || exit 9; exec "$0" "$@"'
    runner = str(Path(__file__).with_name("run_job.py"))
    asked = {"command": ["sh", "-c", "cat /mine/file; echo new > /mine/new"], "limits": {}, "env": {}}
    asked["mounts"] = [(str(tmp_path / "merged"), "/mine", True)]
    command = ["unshare", "-m", "sh", "-c", script, sys.executable, runner]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False, timeout=60)
    if done.returncode == 9:
        pytest.skip("this machine cannot mount an overlay")
    outcome = json.loads(done.stdout)
    assert (outcome["exit_code"], outcome["stdout"]) == (0, "original"), outcome
    assert (tmp_path / "upper" / "new").read_text() == "new\n"
