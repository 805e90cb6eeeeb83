"""Preparing models: built once, fetched whole, digested by content."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from toy.fixtures import make_target
from vibeserve.core.errors import BadRequest, InfrastructureFailed, NotFound
from vibeserve.core.target import read_target
from vibeserve.lab.models import fetch_model, folder_digest, prepare_model

HUB_FILES = {"config.json": b'{"vocab_size": 8}', "weights.safetensors": b"w" * 200_000}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_target(tmp_path / "target")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"vocab_size": 1024}')
    return tmp_path / "model"


def test_a_preset_is_built_once_and_its_digest_is_stable(folder: Path, tmp_path: Path) -> None:
    target, told = read_target(folder), []
    first = prepare_model(folder, target, "tiny", cache=tmp_path / "cache", progress=told.append)
    inode = (first.path / "config.json").stat().st_ino
    again = prepare_model(folder, target, "tiny", cache=tmp_path / "cache")
    elsewhere = prepare_model(folder, target, "tiny", cache=tmp_path / "other-cache")
    assert first == again
    assert (again.path / "config.json").stat().st_ino == inode
    assert first.digest == elsewhere.digest
    assert any("building" in message for message in told)


def test_another_command_or_another_reference_is_another_model(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    tiny = prepare_model(folder, read_target(folder), "tiny", cache=cache)
    other = prepare_model(folder, read_target(folder), "other-weights", cache=cache)
    script = folder / "reference" / "build_tiny.py"
    script.write_text(script.read_text().replace("20261120", "20261121"))
    changed = prepare_model(folder, read_target(folder), "tiny", cache=cache)
    assert len({tiny.digest, other.digest, changed.digest}) == 3
    assert len({tiny.path, other.path, changed.path}) == 3


def test_two_processes_build_it_once(folder: Path, tmp_path: Path) -> None:
    script = folder / "reference" / "build_tiny.py"
    count = tmp_path / "builds"
    script.write_text(f"open({str(count)!r}, 'a').write('x')\n{script.read_text()}")
    code = (
        "import sys; from pathlib import Path\n"
        "from vibeserve.core.target import read_target; from vibeserve.lab.models import prepare_model\n"
        "folder = Path(sys.argv[1])\n"
        "print(prepare_model(folder, read_target(folder), 'tiny', cache=Path(sys.argv[2])).digest)\n"
    )
    command = [sys.executable, "-c", code, str(folder), str(tmp_path / "cache")]
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    digests = {process.communicate(timeout=60)[0] for process in racing}
    assert len(digests) == 1
    assert count.read_text() == "x"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import sys; print('no compiler'); sys.exit(3)", "status 3"),
        ("pass", "no model"),
    ],
)
def test_a_failing_build_says_why_and_leaves_nothing(folder: Path, tmp_path: Path, script: str, said: str) -> None:
    (folder / "reference" / "build_tiny.py").write_text(script)
    with pytest.raises(InfrastructureFailed, match=said) as failed:
        prepare_model(folder, read_target(folder), "tiny", cache=tmp_path / "cache")
    assert "no compiler" in failed.value.evidence or said == "no model"
    assert [path.suffix for path in (tmp_path / "cache" / "built").iterdir()] == [".lock"]


def test_a_given_folder_is_used_as_it_is(folder: Path, tmp_path: Path, model: Path) -> None:
    prepared = prepare_model(folder, read_target(folder), "paper", model, cache=tmp_path / "cache")
    assert prepared.path == model
    assert prepared.digest == folder_digest(model, tmp_path / "unused-cache")


@pytest.mark.parametrize("given", ["missing", "empty"])
def test_a_given_folder_without_a_model_is_not_found(folder: Path, tmp_path: Path, given: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match=given):
        prepare_model(folder, read_target(folder), "tiny", tmp_path / given, cache=tmp_path / "cache")


def test_a_preset_by_id_must_have_been_fetched(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="not on this machine") as failed:
        prepare_model(folder, read_target(folder), "paper", cache=tmp_path)
    assert "vibeserve model fetch TARGET --preset paper" in failed.value.next_step


def test_a_built_preset_cannot_be_fetched(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="built locally"):
        fetch_model(read_target(folder), "tiny", cache=tmp_path)


def test_the_digest_follows_content_and_names(model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = folder_digest(model, cache)
    read: list[str] = []
    assert folder_digest(model, cache, read.append) == before
    assert read == []  # answered from the cache
    config = model / "config.json"
    status = config.stat()
    config.write_text(config.read_text().replace("1024", "1023"))
    os.utime(config, ns=(status.st_atime_ns, status.st_mtime_ns))  # same size, same time: still seen
    changed = folder_digest(model, cache)
    config.rename(model / "renamed.json")
    assert len({before, changed, folder_digest(model, cache)}) == 3


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of a model hub as a snapshot download asks for."""

    missing: ClassVar[set[str]] = set()
    sent: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        path = self.path.split("?")[0]
        revision = "0123456789abcdef0123456789abcdef01234567"
        name = path.rsplit("/", 1)[1]
        headers, body = {}, b""
        if path.startswith("/api/models/"):
            siblings = [{"rfilename": each, "size": len(HUB_FILES[each])} for each in HUB_FILES]
            tree = [
                {"type": "file", "path": each, "size": len(HUB_FILES[each]), "oid": etag(each)} for each in HUB_FILES
            ]
            document = tree if "/tree/" in path else {"id": "toy", "sha": revision, "siblings": siblings}
            body = json.dumps(document).encode()
        elif name in HUB_FILES and name not in self.missing:
            body = HUB_FILES[name]
            headers = {"ETag": f'"{etag(name)}"', "X-Repo-Commit": revision}
        self.send_response(200 if body else 404)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if with_body:
            self.sent.extend(each for each in HUB_FILES if each == name and body)
            self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


def etag(name: str) -> str:
    return hashlib.sha1(HUB_FILES[name]).hexdigest()


@pytest.fixture
def hub() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


FETCH = """
import sys
from pathlib import Path
from vibeserve.core.errors import VibeServeError
from vibeserve.core.target import read_target
from vibeserve.lab.models import fetch_model, prepare_model
target, cache = read_target(Path(sys.argv[1])), Path(sys.argv[2])
try:
    fetched = fetch_model(target, "paper", cache=cache)
    assert fetched == prepare_model(Path(sys.argv[1]), target, "paper", cache=cache)
    print(fetched.path)
except VibeServeError as error:
    print(error.kind, error)
"""


def fetch(folder: Path, cache: Path, endpoint: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(cache / "hf-home"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
    }
    command = [sys.executable, "-c", FETCH, str(folder), str(cache)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=100, check=True
    ).stdout.strip()


def test_fetching_gives_the_whole_snapshot(folder: Path, tmp_path: Path, hub: str) -> None:
    pytest.importorskip("huggingface_hub")
    path = Path(fetch(folder, tmp_path / "cache", hub))
    assert path.parts[-2:] == ("toy-makers--toy-large", "0123456789abcdef0123456789abcdef01234567")
    assert {name: (path / name).read_bytes() for name in HUB_FILES} == HUB_FILES


def test_an_interrupted_fetch_counts_as_nothing_and_resumes(folder: Path, tmp_path: Path, hub: str) -> None:
    pytest.importorskip("huggingface_hub")
    Hub.missing, Hub.sent = {"weights.safetensors"}, []
    said = fetch(folder, tmp_path / "cache", hub)
    assert said.startswith("InfrastructureFailed toy-makers/toy-large at 0123456789ab could not be fetched")
    assert "://" not in said
    with pytest.raises(NotFound):
        prepare_model(folder, read_target(folder), "paper", cache=tmp_path / "cache")
    Hub.missing = set()
    assert "toy-makers--toy-large" in fetch(folder, tmp_path / "cache", hub)
    assert sorted(Hub.sent) == ["config.json", "weights.safetensors"]
