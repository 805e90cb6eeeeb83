"""Sandboxes asked for by the user who runs the tests, and by an ordinary user when that is root."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.lab.isolation import Job, Limits, Mount, Outcome, python_runtime, run

ORDINARY_UID = 64123
SYSTEM_PYTHON = "/usr/bin/python3"
RUNNER = Path(__file__).with_name("run_job.py")
IS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="session", autouse=True)
def _needs_a_sandbox() -> None:
    """Without one the tests are skipped, unless REQUIRE_BWRAP=1 says that there must be one."""
    try:
        run(Job(("true",)))
    except InfrastructureFailed as failure:
        if os.environ.get("REQUIRE_BWRAP") == "1":
            raise
        pytest.skip(str(failure))


class Caller:
    """Somebody who runs jobs: python code, inside."""

    uid = os.geteuid()

    def __init__(self, folder: Path) -> None:
        self.folder = folder  # whatever is below it belongs to the caller

    def python(self, code: str, mounts: tuple[Mount, ...] = (), **limits: Any) -> Outcome:
        limits.setdefault("wall_s", 30)
        job = Job((sys.executable, "-I", "-c", code), (*python_runtime(), *mounts), limits=Limits(**limits))
        return run(job)

    def command(self, *arguments: str) -> tuple[list[str], dict[str, str]]:
        """(command, environment) of a Python process of this caller that can import the package."""
        return [sys.executable, *arguments], dict(os.environ)

    def directory(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir()
        os.chown(path, self.uid, self.uid)
        return path

    def file(self, path: Path, text: str) -> Path:
        path.write_text(text)
        os.chown(path, self.uid, self.uid)
        return path


class OrdinaryCaller(Caller):
    """The same through a process of an ordinary user, who has no part in the tests' own interpreter."""

    uid = ORDINARY_UID

    def python(self, code: str, mounts: tuple[Mount, ...] = (), **limits: Any) -> Outcome:
        limits.setdefault("wall_s", 30)
        places = [(str(mount.source), mount.at, mount.writable) for mount in mounts]
        answer = self.answer({"command": ["{python}", "-I", "-c", code], "mounts": places, "limits": limits, "env": {}})
        return Outcome(**answer)

    def command(self, *arguments: str, through: tuple[str, ...] = ()) -> tuple[list[str], dict[str, str]]:
        ids = (f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups")
        env = {**os.environ, "PYTHONPATH": str(self.folder / "source"), "PYTHONDONTWRITEBYTECODE": "1"}
        return ["setpriv", *ids, *through, SYSTEM_PYTHON, *arguments], env

    def answer(self, asked: dict[str, Any], *, through: tuple[str, ...] = ()) -> dict[str, Any]:
        command, env = self.command(str(self.folder / RUNNER.name), through=through)
        done = subprocess.run(
            command, input=json.dumps(asked), capture_output=True, text=True, timeout=90, env=env, cwd="/", check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def ordinary_user_possible() -> bool:
    if not IS_ROOT or not Path(SYSTEM_PYTHON).exists():
        return False
    probe = "import sys; sys.exit(sys.version_info < (3, 11))"
    return subprocess.run([SYSTEM_PYTHON, "-c", probe], check=False).returncode == 0


@pytest.fixture
def own_caller(tmp_path: Path) -> Caller:
    return Caller(tmp_path)


@pytest.fixture
def ordinary_caller() -> Iterator[OrdinaryCaller]:
    if not ordinary_user_possible():
        pytest.skip("needs root and a system Python 3.11")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        package = folder / "source" / "vibeserve"
        original = Path(__file__).parents[3] / "servers" / "vibeserve"
        for part in ("core/errors.py", "core/__init__.py", "lab/__init__.py", "__init__.py"):
            (package / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(original / part, package / part)
        shutil.copytree(original / "lab" / "isolation", package / "lab" / "isolation")
        shutil.copy(RUNNER, folder / RUNNER.name)
        yield OrdinaryCaller(folder)


@pytest.fixture(params=["own", "ordinary"])
def caller(request: pytest.FixtureRequest) -> Caller:
    return request.getfixturevalue(f"{request.param}_caller")


@pytest.fixture
def outside() -> Any:
    """The control: run the same code with no sandbox."""

    def run_outside(code: str, **options: Any) -> str:
        done = subprocess.run(
            [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False, **options
        )
        return done.stdout

    return run_outside


def processes_with(token: str) -> list[int]:
    """Pids on the host whose command line contains the token."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if token.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@pytest.fixture
def find_processes() -> Any:
    return processes_with
