"""Runs that cannot be reported, and runs that can but not be measured now."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from played_run import Player, new_run

from vibeserve.cli.report import command
from vibeserve.core.errors import InfrastructureFailed, Refused
from vibeserve.core.locks import exclusive_at_once
from vibeserve.core.session import silent
from vibeserve.delivery.report.reporting import FILES, Wanted, make_report


@pytest.fixture
def player(tmp_path: Path) -> Iterator[Player]:
    made = Player(new_run(tmp_path / "made"))
    yield made
    made.run.database.close()


def vibeserve_report(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_an_empty_run_has_nothing_to_report(player: Player, tmp_path: Path) -> None:
    answer = vibeserve_report(str(player.run.layout.root), "--out", str(tmp_path / "out"), "--json")
    said = json.loads(answer.stdout)
    assert answer.exit_code == 1
    assert "no round yet" in said["message"]
    assert said["next_step"]
    assert not (tmp_path / "out").exists()


def test_a_broken_run_is_refused_by_its_record(player: Player, tmp_path: Path) -> None:
    player.promoted("Static cache", 2.0)
    with sqlite3.connect(player.run.layout.database) as connection:
        connection.execute("DROP TRIGGER ledger_never_updated")
        connection.execute("UPDATE ledger SET at = '2020-01-01' WHERE seq = 8")
    with pytest.raises(InfrastructureFailed, match="broken at record 8") as refused:
        make_report(player.run, tmp_path / "out", Wanted(measure=False), silent)
    assert "vibeserve audit" in refused.value.next_step
    assert not (tmp_path / "out").exists()


def test_an_open_round_is_reported_and_nothing_is_measured(player: Player, tmp_path: Path) -> None:
    player.promoted("Static cache", 2.0)
    player.open("Batching")
    before = player.run.ledger.records()
    report = make_report(player.run, tmp_path / "out", Wanted(), silent)
    [note] = report.notes
    assert f"As of record {len(before)}" in note
    assert "round R2 is open" in note
    assert report.rounds[1].decision == "open"
    assert report.best.vs_reference is None
    assert player.run.ledger.records() == before


def test_a_run_that_is_driven_is_reported_and_nothing_is_measured(player: Player, tmp_path: Path) -> None:
    player.promoted("Static cache", 2.0)
    with exclusive_at_once(player.run.layout.root / "driver.lock"):
        report = make_report(player.run, tmp_path / "out", Wanted(), silent)
        with pytest.raises(Refused, match="a driver is playing"):
            make_report(player.run, tmp_path / "out", Wanted(attribute=True), silent)
    assert "a driver is playing the run" in report.notes[0]
    assert report.best.vs_reference is None


def test_another_machine_than_measured_on(player: Player, tmp_path: Path) -> None:
    player.machine |= {"cpu": "another", "cores": 999}
    player.promoted("Static cache", 2.0)
    report = make_report(player.run, tmp_path / "out", Wanted(), silent)
    assert "cores: 999 there" in report.notes[0]
    assert "verify" in report.notes[0]
    assert report.hardware["cpu"] == "another"
    assert "999 cores" in (tmp_path / "out" / "report.md").read_text()


def test_nothing_promoted_is_reported_without_a_best(player: Player, tmp_path: Path) -> None:
    player.open("Batching")
    player.attempt("numeric")
    player.close("discard", "untested")
    report = make_report(player.run, tmp_path / "out", Wanted(), silent)
    assert report.best is None
    assert "No promoted checkpoint stands" in report.notes[0]
    assert "No candidate was promoted that still stands" in (tmp_path / "out" / "report.md").read_text()


def test_unmeasured_as_asked_says_so(player: Player, tmp_path: Path) -> None:
    player.promoted("Static cache", 2.0)
    report = make_report(player.run, tmp_path / "out", Wanted(measure=False), silent)
    assert report.best.vs_reference is None
    assert "as asked" in report.notes[0]


def test_the_command_shows_table_and_paths(player: Player) -> None:
    player.promoted("Static [red]cache", 2.0)
    root = player.run.layout.root
    shown = vibeserve_report(str(root), "--no-measure")
    assert shown.exit_code == 0, shown.output
    assert "Static [red]cache" in shown.stdout
    assert "nothing yet" in shown.stdout
    assert all(str(root / "report" / name) in shown.stdout for name in FILES)


def test_the_command_answers_in_json(player: Player) -> None:
    player.promoted("Static cache", 2.0)
    answer = vibeserve_report(str(player.run.layout.root), "--no-measure", "--json")
    written = (player.run.layout.root / "report" / "report.json").read_text()
    assert json.loads(answer.stdout) == json.loads(written)


def test_an_out_that_is_a_file_is_the_callers_mistake(player: Player, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    answer = vibeserve_report(str(player.run.layout.root), "--out", str(tmp_path / "mine"), "--json")
    assert answer.exit_code == 2
    assert json.loads(answer.stdout)["error"] == "BadRequest"
