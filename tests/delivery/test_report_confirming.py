"""The best is measured once more, for real, before it is reported; what fails then is not reported as the best."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from played_run import Player, new_run

from vibeserve.core.ledger import Record
from vibeserve.core.session import silent
from vibeserve.delivery.attribution import Attribution
from vibeserve.delivery.facts import Report
from vibeserve.delivery.report.page import page
from vibeserve.delivery.report.reporting import Wanted, make_report

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Reported:
    """A report, and what it added to the ledger."""

    player: Player
    report: Report
    added: list[Record]
    said: list[str]


@pytest.fixture
def player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Player]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = Player(new_run(tmp_path / "made"))
    yield made
    made.run.database.close()


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory, sandboxes_work: None) -> Iterator[Reported]:
    """Two checkpoints: an honest one, measured against the strong baseline; then one that dies under load."""
    folder = tmp_path_factory.mktemp("confirming")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        (folder / "leases").mkdir()
        patch.setenv("XDG_RUNTIME_DIR", str(folder / "leases"))
        player = Player(new_run(folder / "made"))
        player.measure(player.promoted("Side by side", 2.0, engine="honest"), 1.5, "static-batch")
        player.promoted("Too bold", 3.0, engine="crashes_under_load")
        last, said = player.run.ledger.records()[-1].seq, []
        report = make_report(player.run, folder / "report", Wanted(), said.append)
        yield Reported(player, report, player.run.ledger.records(after=last), said)
        player.run.database.close()


def test_the_fallen_one_is_not_the_best(reported: Reported) -> None:
    assert [record.kind for record in reported.added if record.body["candidate"] == "C2"] == ["gate.failed"]
    assert reported.report.best.candidate == "C1"
    assert reported.report.notes == ["C2 of R2 was promoted and does not stand any more: G3 failed it at stage served."]
    assert reported.report.rounds[1].gate.status == "failed"


def test_the_best_that_stands_is_measured_where_that_is_missing(reported: Reported) -> None:
    [measured] = [record for record in reported.added if record.kind == "measurement.recorded"]
    best, values = reported.report.best, measured.body["values"]
    assert measured.body["against_tree"] == "reference"
    assert best.vs_reference.pairs == len(values)
    assert best.vs_reference.value == pytest.approx(statistics.geometric_mean(mine for mine, _ in values))
    assert best.vs_strong_baseline.measurements == ["M2"]


def test_the_record_says_who_measured(reported: Reported) -> None:
    assert {(record.actor.role.value, record.actor.client) for record in reported.added} == {
        ("human", "vibeserve report")
    }
    assert "human" not in reported.report.seconds.per_role


def test_progress_is_told(reported: Reported) -> None:
    assert any("pair 1 of 2" in message for message in reported.said)


def test_a_second_report_measures_nothing(reported: Reported, tmp_path: Path) -> None:
    before = reported.player.run.ledger.records()
    again = make_report(reported.player.run, tmp_path / "again", Wanted(), silent)
    assert reported.player.run.ledger.records() == before
    assert (again.best, again.notes) == (reported.report.best, reported.report.notes)


def test_when_the_looks_are_used_up_what_is_there_is_reported(player: Player, tmp_path: Path) -> None:
    player.open("Side by side")
    candidate = player.attempt()
    for _ in range(4):
        player.measure(candidate, 2.0)
    player.measure(candidate, 2.0, "static-batch")
    player.close("promote")
    player.measure(candidate, 1.5, "static-batch")
    report = make_report(player.run, tmp_path / "out", Wanted(), silent)
    assert report.best.vs_reference is None
    assert report.best.vs_strong_baseline.measurements == ["M6"]
    assert "was measured 4 times" in report.notes[0]


def test_trouble_of_the_machine_is_told_and_counts_against_nobody(player: Player, tmp_path: Path) -> None:
    player.promoted("Side by side", 2.0)
    (player.run.model / "config.json").write_text("{}")
    report = make_report(player.run, tmp_path / "out", Wanted(), silent)
    assert report.best.candidate == "C1"
    assert report.best.vs_reference is None
    assert len(report.notes) == 2
    assert player.run.ledger.count("infrastructure.failed") == 2


def test_attributions_on_record_are_told(player: Player, tmp_path: Path) -> None:
    candidate = player.promoted("Side | by side", 2.0)
    tree = player.run.ledger.last("checkpoint.promoted").subject
    found = Attribution(round="R1", issue="I1", title="Side | by side", status="not_separable", detail="It is | all.")
    with player.run.tx() as tx:
        body = found.model_dump(mode="json") | {"best": tree, "target_digest": player.run.target_digest}
        tx.append(player.actor("human"), "attribution.recorded", tree, body)
    report = make_report(player.run, tmp_path / "out", Wanted(measure=False), silent)
    assert report.best.candidate == candidate
    assert report.attribution == [found]
    assert r"| R1 | Side \| by side | – | It is \| all. |" in page(report)


def test_leave_one_out_is_done_when_asked(player: Player, tmp_path: Path) -> None:
    player.promoted("Side by side", 2.0)
    report = make_report(player.run, tmp_path / "out", Wanted(measure=False, attribute=True), silent)
    assert [one.status for one in report.attribution] == ["not_separable"]
    assert player.run.ledger.count("attribution.recorded") == 1
