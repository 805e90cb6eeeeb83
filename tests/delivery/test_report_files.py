"""The page, the picture and how they get into their folder; what agents wrote cannot break either."""

import json
import resource
import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from played_run import Player, new_run

from vibeserve.core.errors import BadRequest, InfrastructureFailed
from vibeserve.core.session import silent
from vibeserve.delivery.facts import Report
from vibeserve.delivery.folder import drafted
from vibeserve.delivery.report.gathering import gather
from vibeserve.delivery.report.page import page
from vibeserve.delivery.report.plot import draw
from vibeserve.delivery.report.reporting import FILES, Wanted, make_report
from vibeserve.delivery.wording import safe, short, with_interval

HOSTILE = "a | b\n# x <script>alert(1)</script> [c](http://evil.example) www.evil.example `d` $\\foo$ \u202e @me"
SMALL_FILE_BYTES = 40_000  # the page fits into that, the picture does not


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory) -> Player:
    made = Player(new_run(tmp_path_factory.mktemp("files")))
    best = made.promoted("Static cache", 2.0)
    made.open("Hostile " + HOSTILE.replace("\n", " "), HOSTILE)
    made.attempt("repeat")
    made.close("discard", "untested", HOSTILE)
    made.measure(best, 2.1, "baseline", also={"ttft": 0.05})
    return made


@pytest.fixture(scope="module")
def report(player: Player) -> Report:
    return gather(player.run, [HOSTILE])


@contextmanager
def small_files() -> Iterator[None]:
    """The system refuses larger files, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL_FILE_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_page_tells_what_a_newcomer_asks(report: Report) -> None:
    text = page(report)
    best = report.best.vs_reference
    assert f"{best.ratio:.2f}× [{best.ci95[0]:.2f}, {best.ci95[1]:.2f}] the reference" in text
    for word in (
        "cooperative",
        "trajectory.png",
        "## Rounds",
        "## Baselines",
        "## Leave-one-out",
        "--attribute",
        "ttft",
    ):
        assert word in text
    assert "static-batch (strong) | Static batches | not measured" in text


def test_no_speed_of_a_wrong_answer_is_shown(player: Player, report: Report) -> None:
    failed = report.rounds[0].gate.model_copy(update={"status": "failed"})
    fallen = report.rounds[0].model_copy(update={"gate": failed})
    assert "void, it failed | – |" in page(report.model_copy(update={"rounds": [fallen]}))


@pytest.mark.parametrize(
    ("ratio", "ci95", "said"),
    [
        (1.25, (1.2, 1.3), "1.25× [1.20, 1.30]"),
        (12.34, (9.87, 15.0), "12.3× [9.87, 15.0]"),
        (1.36, (0.0613, 30.1), "1.36× [0.0613, 30.1]"),
        (0.0123, (0.0101, 0.0152), "0.0123× [0.0101, 0.0152]"),
    ],
)
def test_a_ratio_keeps_the_digits_that_count(ratio: float, ci95: tuple[float, float], said: str) -> None:
    assert with_interval(ratio, ci95) == said


def test_a_hostile_title_stays_in_its_cell(report: Report) -> None:
    lines = page(report).splitlines()
    [row] = [line for line in lines if line.startswith("| R2 ")]
    assert row.replace(r"\|", "").count("|") == 8
    assert not any(line.startswith("# x") for line in lines)


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("a | b", r"a \| b"),
        ("<b>", r"\<b\>"),
        ("[x](http://y)", r"\[x\](http\://y)"),
        ("www.evil.example", r"www\.evil.example"),
        ("me@evil.example", "me\uff20evil.example"),
        ("a\nb", "a b"),
        ("a\u202eb", r"a\\u202eb"),
        ("a\\|b", r"a\\\|b"),
    ],
)
def test_words_by_agents_are_no_markup(text: str, harmless: str) -> None:
    assert safe(text) == harmless


def test_a_long_title_is_cut_where_it_shows() -> None:
    assert short("one two three four five", 9, 2) == "one two\nthree…"
    assert short("one two", 9, 2) == "one two"


def test_the_picture_is_wide_enough_and_holds_no_script(report: Report, tmp_path: Path) -> None:
    png, svg = draw(report, tmp_path)
    width, height = struct.unpack(">II", png.read_bytes()[16:24])
    assert (width, height) == (1200, 720)
    tags = {element.tag.rpartition("}")[2] for element in ET.parse(svg).iter()}
    assert not tags & {"script", "a", "image", "foreignObject"}


def test_the_same_facts_are_the_same_picture(report: Report, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    first, second = draw(report, tmp_path), draw(report, tmp_path / "again")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize("rounds", [0, 1, 12, 40])
def test_any_number_of_rounds_can_be_drawn(report: Report, tmp_path: Path, rounds: int) -> None:
    kept = report.rounds[0].model_copy(update={"title": "M" * 60})
    draw(report.model_copy(update={"rounds": [kept] * rounds}), tmp_path)


def test_a_run_without_a_best_can_be_drawn(report: Report, tmp_path: Path) -> None:
    draw(report.model_copy(update={"best": None, "hardware": None, "rounds": report.rounds[1:]}), tmp_path)


def test_all_files_are_written_and_replaced_together(player: Player, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "report"
    for _ in range(2):
        made = make_report(player.run, out, Wanted(measure=False), silent)
        assert sorted(path.name for path in out.iterdir()) == sorted([*FILES, *(["mine"] if _ else [])])
        assert Report.model_validate(json.loads((out / "report.json").read_text())) == made
        (out / "mine").write_text("kept")
    assert [path.name for path in out.parent.iterdir()] == ["report"]


def test_out_may_not_be_a_file(player: Player, tmp_path: Path) -> None:
    (tmp_path / "report").write_text("mine")
    with pytest.raises(BadRequest, match="is a file"):
        make_report(player.run, tmp_path / "report", Wanted(measure=False), silent)
    assert (tmp_path / "report").read_text() == "mine"


@pytest.mark.parametrize("out", ["/proc/report", "/dev/null/report"])
def test_out_must_be_writable(player: Player, out: str) -> None:
    with pytest.raises(BadRequest, match="Nothing can be written") as refused:
        make_report(player.run, Path(out), Wanted(measure=False), silent)
    assert "--out" in refused.value.next_step


def test_a_full_disk_leaves_nothing_half_written(player: Player, tmp_path: Path) -> None:
    (out := tmp_path / "out").mkdir()
    records = player.run.ledger.records()
    with small_files(), pytest.raises(InfrastructureFailed, match="could be written") as failed:
        make_report(player.run, out / "report", Wanted(measure=False), silent)
    assert "run itself is untouched" in failed.value.next_step
    assert list(out.iterdir()) == []
    assert player.run.ledger.records() == records


def test_a_failed_report_leaves_the_old_one(tmp_path: Path) -> None:
    (out := tmp_path / "out").mkdir()
    (out / "report.md").write_text("old")
    with pytest.raises(ZeroDivisionError), drafted(out) as draft:
        (draft / "report.md").write_text("new")
        raise ZeroDivisionError
    assert [path.name for path in out.iterdir()] == ["report.md"]
    assert (out / "report.md").read_text() == "old"
