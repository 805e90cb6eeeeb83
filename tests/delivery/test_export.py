"""An export starts, serves, explains itself, and is refused where there is nothing to export."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from exported_run import SEEDS, SeededPlayer, exported, promoted_run, servable_run

from vibeserve.cli.export import command
from vibeserve.core.errors import BadRequest, InfrastructureFailed, Refused
from vibeserve.core.target import digest_folder
from vibeserve.delivery.export import exporting
from vibeserve.delivery.export.exporting import Exported
from vibeserve.delivery.export.inventory import inventory
from vibeserve.delivery.export.launching import in_shell
from vibeserve.lab.trees import Repository

SMOKE_TIMEOUT_S = 60


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeededPlayer]:
    made = promoted_run(tmp_path_factory.mktemp("played"))
    yield made
    made.run.database.close()


@pytest.fixture(scope="module")
def made(player: SeededPlayer, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return exported(player, tmp_path_factory.mktemp("exports") / "out")


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[SeededPlayer]:
    """A run of its own, no round yet."""
    made = servable_run(tmp_path / "fresh")
    yield made
    made.run.database.close()


def smoke_test(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(folder / "smoke_test.py"), *arguments],
        env=os.environ | environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=SMOKE_TIMEOUT_S,
        check=False,
    )


def vibeserve_export(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_the_server_is_the_checkpoint_byte_for_byte(made: Exported, player: SeededPlayer, tmp_path: Path) -> None:
    best = player.run.ledger.records("checkpoint.promoted")[-1].subject
    assert Repository(tmp_path / "r.git").snapshot(made.folder / "server") == best == made.manifest.tree
    target = made.folder / "provenance" / "target"
    assert digest_folder(target) == digest_folder(player.run.layout.target)


def test_it_serves_a_request_and_stays_as_it_was(made: Exported, player: SeededPlayer) -> None:
    before = inventory(made.folder)
    passed = smoke_test(made.folder, "--model", str(player.run.model))
    assert passed.returncode == 0, passed.stderr
    assert "8 token ids" in passed.stdout
    assert inventory(made.folder) == before


def test_it_serves_from_elsewhere_when_the_run_is_gone(made: Exported, player: SeededPlayer, tmp_path: Path) -> None:
    moved = tmp_path / "a folder with spaces, 'quotes' and $SIGNS"
    shutil.copytree(made.folder, moved)
    assert smoke_test(moved, "--model", str(player.run.model), "--dtype", "float32").returncode == 0


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("import sys; sys.exit(3)", "it ended with exit status 3"),
        (
            "class Engine:\n    def __init__(self, model): pass\n"
            "    async def generate(self, prompt, limit, stops):\n        yield 1\n",
            "the last event, and no other, must say how the answer ended",
        ),
        (
            "class Engine:\n    def __init__(self, model): pass\n"
            "    async def generate(self, prompt, limit, stops):\n"
            "        for token in range(limit):\n            yield -1\n",
            "no proper token ids",
        ),
    ],
)
def test_the_smoke_test_says_no(made: Exported, player: SeededPlayer, tmp_path: Path, engine: str, said: str) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(made.folder, broken)
    (broken / "server" / "engine.py").write_text(engine)
    failed = smoke_test(broken, "--model", str(player.run.model))
    assert failed.returncode == 1
    assert said in failed.stderr
    assert "Traceback" not in failed.stderr.split("End of its log")[0]


def test_launching_without_a_model_teaches(made: Exported) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "MODEL"}
    script = [str(made.folder / "launch.sh")]
    answer = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode != 0
    assert "MODEL=DIR" in answer.stderr


def test_words_of_a_launch_command_stay_words() -> None:
    command = ("{python}", "it's.py", "--port={port}", "", "a b", "{model}/x")
    assert in_shell(command) == """"$PYTHON" 'it'"'"'s.py' --port="$PORT" '' 'a b' "$MODEL"/x"""


def test_the_figures_are_those_on_record(made: Exported, player: SeededPlayer) -> None:
    written = json.loads((made.folder / "figures.json").read_text())
    parent, confirmation = player.run.ledger.records("measurement.recorded")[-2:]
    assert written["vs_parent"]["versus"]["ratio"] == pytest.approx(parent.body["ratio"])
    assert not written["vs_parent"]["confirmed"]
    reference = written["vs_reference"]
    assert reference["versus"]["ratio"] == pytest.approx(confirmation.body["ratio"])
    assert reference["versus"]["measurements"] == [confirmation.body["measurement"]]
    assert reference["confirmed"]
    assert reference["seeds"] == SEEDS
    assert reference["environment"] == player.machine
    assert written["vs_strong_baseline"] is None


def test_the_page_says_what_a_receiver_needs(made: Exported, player: SeededPlayer) -> None:
    page = (made.folder / "README.md").read_text()
    manifest = made.manifest
    for wanted in (manifest.tree, manifest.model_digest, manifest.target_digest, manifest.public_key, "cooperative"):
        assert wanted in page
    assert "provenance/target/reference/build_tiny.py --out /path/to/model" in page
    assert "Greedy decoding only." in page
    assert "after its promotion, on fresh seeds" in page
    assert "{{" not in page


def test_the_image_has_the_pinned_versions_and_no_rights(made: Exported, player: SeededPlayer) -> None:
    lines = (made.folder / "Dockerfile").read_text().splitlines()
    version = ".".join(player.machine["python"].split(".")[:2])
    assert f"FROM python:{version}-slim" in lines
    assert lines.index("USER 10001") > lines.index("RUN pip install --no-cache-dir --requirement requirements.txt")
    assert any(line.startswith("HEALTHCHECK") for line in lines)
    assert "EXPOSE 8000" in lines
    assert "{{" not in "\n".join(lines)


def test_nothing_is_overwritten(player: SeededPlayer, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    answer = vibeserve_export(str(player.run.layout.root), "--out", str(tmp_path / "out"), "--json")
    said = json.loads(answer.stdout)
    assert (answer.exit_code, said["error"]) == (2, "BadRequest")
    assert "--out" in said["next_step"]
    assert not list((tmp_path / "out").iterdir())
    with pytest.raises(BadRequest):
        exported(player, player.run.layout.database)


def test_the_command_answers_in_json(player: SeededPlayer, tmp_path: Path) -> None:
    answer = vibeserve_export(str(player.run.layout.root), "--out", str(tmp_path / "out"), "--json")
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["manifest"]["run"] == player.run.id
    assert (tmp_path / "out" / "launch.sh").stat().st_mode & 0o111


def test_a_run_without_a_promotion_is_refused_step_by_step(fresh: SeededPlayer, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="open_round"):
        exported(fresh, tmp_path / "out")
    fresh.open("Static cache")
    with pytest.raises(Refused, match="submit_candidate"):
        exported(fresh, tmp_path / "out")
    fresh.attempt()
    with pytest.raises(Refused, match=r"measure on C1"):
        exported(fresh, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_that_failed_later_is_not_exported(fresh: SeededPlayer, tmp_path: Path) -> None:
    first = fresh.promoted("Static cache", 2.0, engine="honest")
    second = fresh.promoted("Batching", 2.0)
    fresh.gate(second, "served")
    fallen_back = exported(fresh, tmp_path / "first")
    assert fallen_back.manifest.candidate == first
    assert "R2" in fallen_back.notes[0]
    assert "stage served" in (tmp_path / "first" / "README.md").read_text()
    fresh.gate(first, "served")
    with pytest.raises(Refused, match=r"R1.*stage served"):
        exported(fresh, tmp_path / "out")


def test_a_broken_run_is_refused(fresh: SeededPlayer, tmp_path: Path) -> None:
    fresh.promoted("Static cache", 2.0)
    with fresh.run.database.tx() as connection:
        connection.execute("DROP TRIGGER ledger_never_updated")
        connection.execute("UPDATE ledger SET body = replace(body, 'looked', 'LOOKED') WHERE kind = 'verdict.given'")
    with pytest.raises(InfrastructureFailed, match="broken at record"):
        exported(fresh, tmp_path / "out")


def test_a_full_disk_leaves_nothing_behind(
    player: SeededPlayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "write_launch_files", full)
    with pytest.raises(InfrastructureFailed, match="No space left"):
        exported(player, tmp_path / "exports" / "out")
    assert not list((tmp_path / "exports").iterdir())
