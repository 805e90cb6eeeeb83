"""Gate and measurement once more: under another key, with fresh seeds, and only of what was exported."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from exported_run import QUICK, SeededPlayer, exported, promoted_run
from resigning import signed_again

from toy.fixtures import candidate_tree
from vibeserve.cli.verify import command
from vibeserve.core.errors import InfrastructureFailed
from vibeserve.core.run import open_run
from vibeserve.core.target import Preset
from vibeserve.delivery.verify import rerunning
from vibeserve.delivery.verify.agreement import beside, concluded
from vibeserve.delivery.verify.receiving import _built
from vibeserve.lab.load import compare
from vibeserve.lab.trees.audit import audit_run


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeededPlayer]:
    """Its benchmark finds both sides equal, and its export says the same."""
    made = promoted_run(tmp_path_factory.mktemp("played"), *QUICK, ratio=1.0)
    yield made
    made.run.database.close()


@pytest.fixture(scope="module")
def original(player: SeededPlayer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(player, tmp_path_factory.mktemp("exports") / "out").folder


@pytest.fixture
def received(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "received"))


@pytest.fixture
def no_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """For refusals that come before the gate."""

    def never(*_: object) -> None:
        raise AssertionError("the gate was run")

    monkeypatch.setattr(rerunning, "examine", never)


def vibeserve_rerun(*arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--rerun", "--json"])


@pytest.mark.usefixtures("sandboxes_work")
def test_what_was_exported_passes_again_under_a_new_key(received: Path, tmp_path: Path) -> None:
    answer = vibeserve_rerun(str(received), "--work", str(tmp_path / "work"))
    said = json.loads(answer.stdout)
    assert answer.exit_code == 0, answer.output
    assert said["rerun"]["conclusion"] == "reproduces"
    assert [stage["name"] for stage in said["rerun"]["stages"]] == ["boot", "checker", "numeric", "repeat"]
    [again] = said["rerun"]["measured"]
    assert (again["ratio"], again["agreement"]) == (1.0, "agrees")
    kept = open_run(Path(said["rerun"]["run"]))
    assert kept.key.public_hex == said["rerun"]["public_key"] != said["public_key"]
    [record] = kept.ledger.records("verification.recorded")
    assert (record.subject, record.body["conclusion"]) == (said["tree"], "reproduces")
    assert audit_run(kept).ok
    kept.database.close()


@pytest.mark.usefixtures("sandboxes_work")
def test_a_server_altered_and_signed_again_fails_the_gate(received: Path, tmp_path: Path) -> None:
    shutil.rmtree(received / "server")
    candidate_tree("wrong_token", received / "server")
    signed_again(received, tmp_path)
    answer = vibeserve_rerun(str(received))
    said = json.loads(answer.stdout)
    assert answer.exit_code == 1
    assert all(check["ok"] for check in said["checks"])
    assert said["rerun"]["conclusion"] == "gate_failed"
    assert "stage checker" in said["rerun"]["reason"]
    assert said["rerun"]["run"] is None


@pytest.mark.usefixtures("no_gate")
def test_what_was_modified_is_not_run_at_all(received: Path) -> None:
    (received / "server" / "engine.py").write_text("")
    answer = vibeserve_rerun(str(received))
    assert answer.exit_code == 1
    assert json.loads(answer.stdout)["rerun"] is None


@pytest.mark.usefixtures("no_gate")
def test_another_model_is_refused(received: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    answer = vibeserve_rerun(str(received), "--model", str(tmp_path / "model"))
    said = json.loads(answer.stdout)
    assert (answer.exit_code, said["error"]) == (1, "Refused")
    assert "--model" in said["next_step"]


@pytest.mark.usefixtures("no_gate")
def test_a_folder_that_exists_is_not_worked_in(received: Path, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    answer = vibeserve_rerun(str(received), "--work", str(tmp_path / "work"))
    assert (answer.exit_code, json.loads(answer.stdout)["error"]) == (2, "BadRequest")


def stubbed(monkeypatch: pytest.MonkeyPatch, outcome: str) -> None:
    examined = SimpleNamespace(stages=[], outcome=outcome)
    monkeypatch.setattr(rerunning, "examine", lambda *_: examined)


def test_a_run_is_run_again_with_its_own_model_and_nothing_is_left(
    player: SeededPlayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubbed(monkeypatch, "passed")
    values = [(30.0, 10.0), (31.0, 10.0)]
    found = SimpleNamespace(
        comparison=compare(values, direction="higher", relative_noise=0.05), seeds=[1, 2], environment=player.machine
    )
    monkeypatch.setattr(rerunning, "compare_systems", lambda *_: found)
    answer = vibeserve_rerun(str(player.run.layout.root))
    said = json.loads(answer.stdout)
    assert answer.exit_code == 1
    assert said["rerun"]["conclusion"] == "does_not_reproduce"
    assert list(player.run.layout.scratch.iterdir()) == []
    assert not player.run.ledger.records("verification.recorded")


def test_what_the_machinery_fails_at_shows_nothing(received: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stubbed(monkeypatch, "passed")

    def compare_systems(*_: object) -> None:
        raise InfrastructureFailed("The machine is too busy.", "Call again.")

    monkeypatch.setattr(rerunning, "compare_systems", compare_systems)
    answer = vibeserve_rerun(str(received))
    said = json.loads(answer.stdout)["rerun"]
    assert (answer.exit_code, said["conclusion"]) == (1, "inconclusive")
    assert said["reason"] == "The machine is too busy."


HERE = {"cpu": "this one"}


def claim(ci95: tuple[float, float], environment: dict[str, Any] = HERE, verdict: str = "better") -> Any:
    return SimpleNamespace(versus=SimpleNamespace(ratio=ci95[0], ci95=ci95, verdict=verdict), environment=environment)


def compared(ci95: tuple[float, float], verdict: str = "better") -> Any:
    comparison = SimpleNamespace(ratio=sum(ci95) / 2, ci95=ci95, pairs=4, verdict=verdict)
    return SimpleNamespace(comparison=comparison, seeds=[1], environment=HERE)


@pytest.mark.parametrize(
    ("exported_claim", "agreement", "conclusion"),
    [
        (lambda: claim((1.9, 2.5)), "agrees", "reproduces"),
        (lambda: claim((3.1, 4.0)), "does_not_agree", "does_not_reproduce"),
        (lambda: claim((0.5, 1.4)), "does_not_agree", "does_not_reproduce"),
        (lambda: claim((3.1, 4.0), {"cpu": "another"}), "unlike_machine", "gate_passed"),
        (lambda: None, "nothing_exported", "gate_passed"),
    ],
)
def test_intervals_are_compared_on_like_machines_only(
    exported_claim: Callable[[], Any], agreement: str, conclusion: str
) -> None:
    again = beside(compared((1.5, 3.0)), "reference", exported_claim())
    assert again.agreement == agreement
    assert concluded("passed", [again])[0] == conclusion
    assert concluded("failed", [again])[0] == "gate_failed"
    assert again.in_words()


def test_an_interval_that_overlaps_with_anything_reproduces_nothing() -> None:
    wide = beside(compared((0.01, 90.0), "inconclusive"), "reference", claim((5.0, 7.0)))
    shown = beside(compared((4.0, 6.0)), "reference", claim((5.0, 7.0)))
    assert wide.agreement == "not_shown"
    conclusion, said = concluded("passed", [shown, wide])
    assert conclusion == "gate_passed"
    assert "no such difference" in said
    undecided = claim((0.9, 1.1), verdict="inconclusive")
    assert beside(compared((0.95, 1.05), "inconclusive"), "reference", undecided).agreement == "agrees"


@pytest.mark.usefixtures("sandboxes_work")
def test_a_build_that_leaves_a_link_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "build.py").write_text(
        "import os, sys\nos.mkdir(sys.argv[1])\nos.symlink(sys.argv[2], sys.argv[1] + '/config.json')\n"
    )
    for leads_to, refused in (("/etc/passwd", True), ("../../../run.key", True), ("inside.json", False)):
        build = ("{python}", "-I", "{target}/build.py", "{out}", leads_to)
        preset, out = Preset(dtype="float32", build=build), tmp_path / leads_to.replace("/", "-")
        if refused:
            with pytest.raises(InfrastructureFailed, match="leads out of the model's folder"):
                _built(tmp_path / "target", preset, out)
        else:
            assert _built(tmp_path / "target", preset, out) == out / "model"
