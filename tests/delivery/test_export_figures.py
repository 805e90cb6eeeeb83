"""An export says what was measured, whatever happens meanwhile and whatever a candidate wrote."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from exported_run import SeededPlayer, exported, promoted_run, servable_run

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.delivery.export import exporting
from vibeserve.delivery.export.figures import figures_of
from vibeserve.delivery.export.imports import needs_of
from vibeserve.delivery.export.manifest import seal
from vibeserve.delivery.folder import drafted
from vibeserve.delivery.verify.verification import verify_folder

SMOKE_TIMEOUT_S = 60


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeededPlayer]:
    made = promoted_run(tmp_path_factory.mktemp("played"))
    yield made
    made.run.database.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[SeededPlayer]:
    """A run of its own, no round yet."""
    made = servable_run(tmp_path / "fresh")
    yield made
    made.run.database.close()


def test_requirements_are_what_the_server_imports(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "serve.py").write_text("import json, own, lib.inner\nimport aiohttp.web as web\nfrom . import other\n")
    (tmp_path / "own.py").write_text(
        "try:\n    import no_such_module\nexcept ImportError:\n    from yaml import load\n"
    )
    (tmp_path / "lib" / "inner.py").write_text("import torch\nstep = torch.compile(print)\n")
    (tmp_path / "lib" / "notes.py").write_text("this is no Python")
    needs = needs_of(tmp_path)
    assert [pin.partition("==")[0].lower() for pin in needs.pins] == ["aiohttp", "pyyaml", "torch"]
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", pin) for pin in needs.pins)
    assert needs.missing == ("no_such_module",)
    assert needs.compiler


@pytest.mark.parametrize("source", ["a" + ".b" * 900, "-" * 20_000 + "1", "(" * 5000])
def test_a_source_made_to_break_its_reader_does_not_stop_an_export(tmp_path: Path, source: str) -> None:
    (tmp_path / "serve.py").write_text("import yaml\n")
    (tmp_path / "hostile.py").write_text(source)
    needs = needs_of(tmp_path)
    assert [pin.partition("==")[0].lower() for pin in needs.pins] == ["pyyaml"]
    assert not needs.compiler


def test_what_somebody_else_made_meanwhile_is_not_touched(
    player: SeededPlayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def meanwhile(*_: object) -> None:
        out.mkdir()
        (out / "README.md").write_text("another's")
        seal(*_)

    monkeypatch.setattr(exporting, "seal", meanwhile)
    with pytest.raises(InfrastructureFailed, match="--out"):
        exported(player, out)
    assert [path.read_text() for path in out.iterdir()] == ["another's"]
    assert not list(tmp_path.glob("*draft"))


def test_a_measurement_recorded_meanwhile_leaves_figures_and_records_alike(
    fresh: SeededPlayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = fresh.promoted("Static cache", 2.0)
    monkeypatch.setattr(exporting, "drafted", lambda *_, **said: fresh.measure(candidate, 9.0) and drafted(*_, **said))
    made = exported(fresh, tmp_path / "out")
    assert fresh.run.ledger.count("measurement.recorded") == 2
    assert made.figures.vs_parent.versus.measurements == ["M1"]
    assert verify_folder(made.folder).ok


def test_promoting_a_tree_again_drops_no_confirmation(fresh: SeededPlayer) -> None:
    first = fresh.promoted("Static cache", 2.0)
    tree = fresh.run.ledger.last("checkpoint.promoted").subject
    fresh.measure(first, 1.1)
    again = [fresh.run.ledger.last("checkpoint.promoted", tree)]
    with fresh.run.tx() as tx:
        again.append(tx.append(fresh.actor("orchestrator"), "checkpoint.promoted", tree, again[0].body))
    for promoted in again:
        claim = figures_of(fresh.run.ledger, promoted, fresh.run.target).vs_parent
        assert (claim.confirmed, claim.versus.measurements) == (True, ["M2"])


def test_the_page_says_in_which_direction_and_how_sure(fresh: SeededPlayer, tmp_path: Path) -> None:
    candidate = fresh.promoted("Static cache", 2.0)
    fresh.measure(candidate, 3.0, "baseline", also={"TTFT": 0.0123})
    fresh.machine["cpu"] = "another"
    fresh.measure(candidate, 2.0, "static-batch")
    page = (exported(fresh, tmp_path / "out").folder / "README.md").read_text()
    assert "| TTFT (lower is better) | its parent `reference` | 0.012" in page
    assert page.count("the rows over its parent `reference` on ") == 1


def test_a_headline_from_before_the_promotion_says_so(fresh: SeededPlayer, tmp_path: Path) -> None:
    fresh.promoted("Static cache", 2.0)
    page = (exported(fresh, tmp_path / "out").folder / "README.md").read_text()
    assert "taken before its promotion, so flattered by chance" in page
