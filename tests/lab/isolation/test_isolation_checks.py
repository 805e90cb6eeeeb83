"""What is said about a machine that cannot do it."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.lab.isolation import Job, Mount, Network, python_runtime, run, self_check, vibeserve_source
from vibeserve.lab.isolation.spawning import explain


def test_this_machine_can_do_it() -> None:
    checks = self_check()
    assert [check.name for check in checks] == ["bubblewrap", "sandbox", "python", "network", "limits"]
    assert all(check.ok for check in checks), checks


def test_without_bubblewrap_the_sentence_names_the_fix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InfrastructureFailed, match="not installed") as failure:
        run(Job(("true",)))
    assert "apt-get install bubblewrap" in failure.value.next_step
    (check,) = self_check()
    assert not check.ok
    assert "apt-get install bubblewrap" in check.fix


def test_without_user_namespaces_the_sentence_names_the_fix(ordinary_caller: Any) -> None:
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --inh-caps=-all --ambient-caps=-all "$0" "$@"'
    through = ("unshare", "-U", "--map-current-user", "--keep-caps", "sh", "-c", forbid)
    answer = ordinary_caller.answer({"command": ["true"], "mounts": [], "limits": {}, "env": {}}, through=through)
    assert answer["error"] == "InfrastructureFailed"
    assert "namespaces" in answer["message"]
    assert "sysctl" in answer["next_step"] or "user namespaces" in answer["next_step"]


def test_an_old_bubblewrap_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "bwrap"
    old.write_text("#!/bin/sh\necho 'bwrap: Unknown option --disable-userns' >&2\nexit 1\n")
    old.chmod(0o755)
    tmp_path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    reachable = all(parent.stat().st_mode & 1 for parent in old.parents)
    if not reachable:  # root's sandbox uid cannot even start it: an explained failure of the same kind
        with pytest.raises(InfrastructureFailed):
            run(Job(("true",)))
        assert "too old" in explain("bwrap: Unknown option --disable-userns").message
        return
    with pytest.raises(InfrastructureFailed, match="too old"):
        run(Job(("true",)))


def test_an_unknown_cause_is_quoted() -> None:
    failure = explain("bwrap: something else")
    assert "something else" in failure.message
    assert failure.kind == "InfrastructureFailed"


def test_a_sandbox_that_was_killed_and_a_full_disk_are_told() -> None:
    assert "killed from outside" in explain("bwrap: killed by signal 9").message
    assert "disk is full" in explain("[Errno 28] No space left on device").message


def test_the_package_is_seen_only_where_it_is_mounted() -> None:
    command = (sys.executable, "-I", "-c", "import vibeserve.lab.isolation.job as job; print(job.__file__)")
    assert not run(Job(command, python_runtime())).ok
    outcome = run(Job(command, (*python_runtime(), vibeserve_source())))
    assert outcome.ok, outcome.stderr
    assert outcome.stdout.startswith(vibeserve_source().at)


def test_a_file_can_be_mounted(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    assert run(Job(("cat", "/a/b/file"), (Mount(tmp_path / "file", "/a/b/file"),))).stdout == "content"


def test_networks_need_no_bubblewrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with Network() as network:
        assert network.probe(80, "/") is None
