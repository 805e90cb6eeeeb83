"""Leave-one-out: what each kept change adds, what cannot be separated, and that none of it is ever a candidate."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from exported_run import QUICK, SeededPlayer, servable_run

from toy.fixtures import candidate_tree
from vibeserve.accuracy.gate import run_gate
from vibeserve.checkpoints.finding import find_base
from vibeserve.core.errors import InfrastructureFailed, NotFound, Refused
from vibeserve.core.session import Session
from vibeserve.delivery import attribution
from vibeserve.delivery.attribution import KIND, Attribution, attribute, recorded_attributions
from vibeserve.delivery.report.confirming import reporting_session
from vibeserve.lab.judging import Stage
from vibeserve.lab.trees import without
from vibeserve.lab.trees.audit import audit_run
from vibeserve.lab.trees.workspace import repository_of
from vibeserve.profiler.comparing import FailedUnderLoad
from vibeserve.profiler.environment import environment
from vibeserve.profiler.measuring import measure

HEAD = "# a server\n"
BODY = "".join(f"# line {number}\n" for number in range(20))


@pytest.fixture
def player(tmp_path: Path) -> Iterator[SeededPlayer]:
    made = servable_run(tmp_path / "made", *QUICK)
    yield made
    made.run.database.close()


@pytest.fixture
def session(player: SeededPlayer) -> Iterator[Session]:
    made = reporting_session(player.run, lambda message: None)
    yield made
    made.close()


def replaced(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(workspace: Path) -> None:
        text = (workspace / name).read_text()
        assert old in text
        (workspace / name).write_text(text.replace(old, new))

    return edit


def written(name: str, text: str) -> Callable[[Path], None]:
    return lambda workspace: (workspace / name).write_text(text) and None


def statuses(found: list[Attribution]) -> dict[str, str]:
    return {one.round: one.status for one in found}


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No gate and no load: every tree passes, and is half as fast as the whole. Returns the trees that were timed."""
    trees: list[str] = []

    def compare_systems(_session: Session, tree: str, _against: str) -> Any:
        trees.append(tree)
        values = [(50.0, 100.0), (55.0, 100.0)]
        return SimpleNamespace(values=values, seeds=[1, 2], environment=environment(), foreign_cores=0.0)

    passed = SimpleNamespace(stages=[Stage(name="boot", status="passed")], evidence="")
    monkeypatch.setattr(attribution, "compare_systems", compare_systems)
    monkeypatch.setattr(attribution, "examine", lambda *_: passed)
    return trees


@pytest.mark.usefixtures("sandboxes_work")
def test_each_change_is_taken_out_gated_and_timed(player: SeededPlayer, session: Session) -> None:
    player.kept("A first server", lambda workspace: candidate_tree("wrong_token", workspace) and None)
    player.kept("Read the whole prompt", replaced("engine.py", "prompt[1:]", "prompt"))
    player.kept("Notes", written("notes.py", BODY))
    player.kept("Better notes", replaced("notes.py", "line 3", "better"))
    best = player.kept("Name the server", replaced("serve.py", "The toy server", "The best toy server"))
    found = attribute(session, best)
    assert statuses(found) == {
        "R1": "not_separable",
        "R2": "gate_failed",
        "R3": "not_separable",
        "R4": "measured",
        "R5": "measured",
    }
    assert "line of checkpoints begins with it" in found[0].detail
    assert "stage checker" in found[1].detail
    assert "notes.py was added by it and edited later" in found[2].detail
    for one in found[3:]:
        assert (one.ratio, one.ci95, one.verdict, one.pairs) == (1.0, (1.0, 1.0), "inconclusive", 2)
    assert audit_run(player.run).ok


def test_the_ratio_is_the_whole_over_the_one_without(player: SeededPlayer, session: Session, timed: list[str]) -> None:
    parent = player.kept("First", written("a.py", HEAD + BODY))
    best = player.kept("Second", replaced("a.py", "line 9", "faster"))
    found = attribute(session, best)[1]
    assert timed == [parent]
    assert found.ratio is not None
    assert 1.8 < found.ratio < 2.0
    assert (found.round, found.title, found.tree) == ("R2", "Second", parent)


def test_what_was_timed_on_another_machine_is_done_again_here(
    player: SeededPlayer, session: Session, timed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    player.kept("First", written("a.py", HEAD + BODY))
    best = player.kept("Second", replaced("a.py", "line 9", "faster"))
    found = attribute(session, best)
    elsewhere = {"cpu": "another"}
    assert statuses(recorded_attributions(player.run, best, elsewhere)) == {"R1": "not_separable"}
    monkeypatch.setattr(attribution, "environment", lambda: elsewhere)
    attribute(session, best)
    assert len(timed) == 2
    assert recorded_attributions(player.run, best, environment()) == found


def test_a_merge_that_git_cannot_do_stops_at_its_change(
    player: SeededPlayer, session: Session, timed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    player.kept("First", written("a.py", HEAD + BODY))
    player.kept("Second", replaced("a.py", "line 9", "faster"))
    player.kept("Third", replaced("a.py", "line 19", "better"))
    best = player.kept("Fourth", written("b.py", BODY))
    monkeypatch.setattr(without, "_merged_text", lambda *_: (_ for _ in ()).throw(InfrastructureFailed("Too long.")))
    found = attribute(session, best)
    assert statuses(found) == {"R1": "not_separable", "R2": "inconclusive", "R3": "measured", "R4": "measured"}
    assert found[1].detail == "Too long."


def test_what_is_on_record_is_not_done_again(player: SeededPlayer, session: Session, timed: list[str]) -> None:
    player.kept("First", written("a.py", BODY))
    best = player.kept("Second", replaced("a.py", "line 9", "faster"))
    found = attribute(session, best)
    before = player.run.ledger.records()
    assert attribute(session, best) == found == recorded_attributions(player.run, best, environment())
    assert player.run.ledger.records() == before
    assert len(timed) == 1


def test_trouble_with_the_machinery_stops_at_one_and_is_tried_again(
    player: SeededPlayer, session: Session, timed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    player.kept("First", written("a.py", BODY))
    player.kept("Second", replaced("a.py", "line 3", "faster"))
    best = player.kept("Third", replaced("a.py", "line 16", "faster"))
    with monkeypatch.context() as patched:
        patched.setattr(attribution, "examine", _infrastructure_failed)
        found = attribute(session, best)
    assert statuses(found) == {"R1": "not_separable", "R2": "inconclusive", "R3": "measured"}
    assert found[1].detail == "The machine went away."
    assert statuses(attribute(session, best)) == {"R1": "not_separable", "R2": "measured", "R3": "measured"}
    assert player.run.ledger.count(KIND) == 4


def test_a_session_that_ends_records_nothing_more(
    player: SeededPlayer, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    player.kept("First", written("a.py", BODY))
    best = player.kept("Second", replaced("a.py", "line 3", "faster"))
    monkeypatch.setattr(attribution, "compare_systems", _infrastructure_failed)
    session.cancelled.set()
    with pytest.raises(InfrastructureFailed):
        attribute(session, best)
    assert statuses(recorded_attributions(player.run, best, environment())) == {"R1": "not_separable"}


def _infrastructure_failed(*_: object) -> None:
    raise InfrastructureFailed("The machine went away.", "Call again.")


def test_failing_under_load_is_a_failure_of_the_system_without_the_change(
    player: SeededPlayer, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compare_systems(*_: object) -> None:
        raise FailedUnderLoad(Stage(name="served", status="failed", feedback="wrong ids\nEnd of its log: hostile"))

    player.kept("First", written("a.py", BODY))
    best = player.kept("Second", replaced("a.py", "line 3", "faster"))
    monkeypatch.setattr(attribution, "compare_systems", compare_systems)
    found = attribute(session, best)[1]
    assert (found.status, found.ratio) == ("gate_failed", None)
    assert "wrong ids" in found.detail
    assert "hostile" not in found.detail


def test_changes_undone_and_made_twice_are_said_to_be_so(
    player: SeededPlayer, session: Session, timed: list[str]
) -> None:
    player.kept("First", written("a.py", BODY))
    player.kept("Faster", replaced("a.py", "line 3\n", "faster\n"))
    player.kept("Back again", replaced("a.py", "faster", "line 3"))
    best = player.kept("Faster after all", replaced("a.py", "line 3\n", "faster\n"))
    first, second, third, fourth = attribute(session, best)
    assert (first.status, third.status) == ("not_separable", "not_separable")
    assert "Nothing of it is left" in third.detail
    assert second.tree == fourth.tree
    assert second.ratio == fourth.ratio
    assert "the same tree is left as without R2" in fourth.detail
    assert len(timed) == 1


def test_only_a_promoted_tree_has_kept_changes(player: SeededPlayer, session: Session) -> None:
    with pytest.raises(Refused, match="no promoted checkpoint"):
        attribute(session, "f" * 40)


def test_what_was_made_here_can_neither_be_gated_measured_promoted_nor_built_upon(
    player: SeededPlayer, session: Session, timed: list[str]
) -> None:
    player.kept("First", written("a.py", BODY))
    player.kept("Second", replaced("a.py", "line 3", "faster"))
    best = player.kept("Third", replaced("a.py", "line 16", "faster"))
    made = attribute(session, best)[1].tree
    assert made is not None
    player.open("Fourth")
    player.attempt()
    for attempt in (
        lambda: run_gate(session, made),
        lambda: measure(session, made, "parent"),
        lambda: find_base(player.run, repository_of(player.run), made),
        lambda: player.call(
            "orchestrator",
            "close_round",
            decision="promote",
            hypothesis="supported",
            issue_status="done",
            reason="because",
            candidate=made,
        ),
    ):
        with pytest.raises(NotFound):
            attempt()
