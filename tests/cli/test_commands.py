"""The command line: errors that teach, and exit statuses that scripts can use."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vibeserve.core.run import Run


def vibeserve(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from vibeserve.cli.app import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)


def error_of(answer: subprocess.CompletedProcess[str]) -> dict[str, str]:
    error: dict[str, str] = json.loads(answer.stdout)
    assert error["next_step"], "an error without a next step does not teach"
    return error


def test_help_lists_every_command() -> None:
    shown = vibeserve("--help").stdout
    for name in ("new", "run", "status", "log", "show", "audit", "doctor", "mcp", "issues", "profiler"):
        assert f"  {name} " in shown


@pytest.mark.parametrize("arguments", [("run", "--rounds", "0"), ("status", "--nope"), ("show",), ("nonsense",)])
def test_unusable_arguments_are_told_in_json_too(arguments: tuple[str, ...]) -> None:
    answer = vibeserve(*arguments, "--json")
    assert answer.returncode == 2
    assert error_of(answer)["error"] == "BadRequest"


def test_to_look_at_a_run_does_not_make_it_the_newest(run: Run, tmp_path: Path) -> None:
    runs = tmp_path / "elsewhere" / "runs"
    for name in ("older", "newer"):
        shutil.copytree(run.layout.root, runs / name)
    os.utime(runs / "older" / "ledger.head", (1, 1))
    for arguments in (("log", "older"), ("audit", "older"), ("status", "older")):
        assert vibeserve(*arguments, cwd=runs.parent).returncode == 0
    assert json.loads(vibeserve("status", "--json", cwd=runs.parent).stdout)["folder"] == str(runs / "newer")


def test_no_run_yet(tmp_path: Path) -> None:
    answer = vibeserve("status", "--json", cwd=tmp_path)
    assert answer.returncode == 1
    assert error_of(answer)["error"] == "NotFound"


def test_no_such_target(tmp_path: Path) -> None:
    answer = vibeserve("run", str(tmp_path / "nothing"), "--json")
    assert answer.returncode == 2
    assert "target.toml" in error_of(answer)["message"]


def test_an_invalid_target_says_where_and_what_is_allowed(target_folder: Path) -> None:
    path = target_folder / "target.toml"
    path.write_text(path.read_text().replace("[launch]", "[launch]\nboot_timeout = 3", 1))
    answer = vibeserve("new", str(target_folder), "--json")
    message = error_of(answer)["message"]
    assert answer.returncode == 2
    assert "launch.boot_timeout is unknown" in message
    assert "boot_timeout_s" in message


def test_no_such_preset(target_folder: Path) -> None:
    answer = vibeserve("new", str(target_folder), "--preset", "huge", "--json")
    assert "tiny" in error_of(answer)["next_step"]


def test_a_preset_without_a_recording(target_folder: Path) -> None:
    answer = vibeserve("run", str(target_folder), "--json")
    assert "no recorded run" in error_of(answer)["message"]


def test_target_or_resume() -> None:
    assert vibeserve("run").returncode == 2


def test_an_altered_record_breaks_the_audit(run: Run) -> None:
    root = str(run.layout.root)
    assert vibeserve("audit", root).returncode == 0
    run.database.connection().execute("DROP TRIGGER ledger_never_updated")
    run.database.connection().execute("UPDATE ledger SET body = replace(body, 'tiny', 'tinx') WHERE seq = 1")
    answer = vibeserve("audit", root, "--json")
    assert answer.returncode == 1
    assert json.loads(answer.stdout)["broken_seq"] == 1


def test_a_twin_files_and_lists(run: Run) -> None:
    root = str(run.layout.root)
    filed = vibeserve("issues", "file", "perf", "Batch requests", "--body", "Together.", "--run", root, "--json")
    assert filed.returncode == 0, filed.stdout + filed.stderr
    assert json.loads(filed.stdout)["issue"] == "I1"
    assert "Batch requests" in vibeserve("issues", "list", "--run", root).stdout


def test_a_twin_keeps_to_the_role(run: Run) -> None:
    answer = vibeserve(
        *("issues", "file", "perf", "A", "--role", "implementer", "--run", str(run.layout.root), "--json")
    )
    assert answer.returncode == 1
    assert error_of(answer)["error"] == "Refused"


@pytest.mark.parametrize("arguments", [("log",), ("show", "I1", "--run"), ("audit",)])
def test_a_folder_that_is_no_run(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    answer = vibeserve(*arguments, str(tmp_path), "--json")
    if "--json" in answer.args and answer.returncode == 1:
        assert error_of(answer)["error"] == "NotFound"
    else:
        pytest.fail(answer.stdout + answer.stderr)


def test_a_run_for_clients_is_not_replayed(run: Run) -> None:
    answer = vibeserve("run", "--resume", str(run.layout.root), "--json")
    assert answer.returncode == 1
    assert "vibeserve mcp" in error_of(answer)["next_step"]


def test_what_the_system_refuses_is_said_clearly(target_folder: Path) -> None:
    answer = vibeserve("new", str(target_folder), "--run", "/proc/nowhere/run", "--model", str(target_folder), "--json")
    assert answer.returncode == 1
    assert "/proc/nowhere" in error_of(answer)["message"]
