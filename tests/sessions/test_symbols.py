"""Symbolic references: ids out when recorded, ids in when replayed."""

import pytest

from vibeserve.core.errors import BadRequest
from vibeserve.core.roles import Actor, Role
from vibeserve.core.run import Run
from vibeserve.sessions.symbols import Symbols

ACTOR = Actor(Role.ORCHESTRATOR, "T1")


@pytest.fixture
def symbols(run: Run) -> Symbols:
    with run.tx() as tx:
        for number in (1, 2):
            tx.append(ACTOR, "issue.filed", f"I{number}", {"issue": f"I{number}"})
        body = {
            "measurement": "M1",
            "outcome": "worse",
            "against": "parent",
            "ratio": 4.56789,
            "ci95": [4.1, 5.0],
            "pairs": 4,
            "also": [{"name": "ttft", "outcome": "better"}, {"name": "stall", "outcome": None}],
        }
        tx.append(ACTOR, "measurement.recorded", "tree", body)
    return Symbols(run.ledger)


def test_the_newest_and_the_numbered(symbols: Symbols) -> None:
    assert symbols.resolve({"issue": "$issue", "first": "$issue_1", "all": ["$issue_2"]}) == {
        "issue": "I2",
        "first": "I1",
        "all": ["I2"],
    }


def test_fields_inside_texts_are_rounded(symbols: Symbols) -> None:
    text = "${measurement} says ${measurement.ratio} from ${measurement_1.ci95.0}, ${measurement.pairs} pairs"
    assert symbols.resolve(text) == "M1 says 4.57 from 4.1, 4 pairs"


def test_conclusions_follow_the_measurement(symbols: Symbols) -> None:
    assert symbols.resolve({"hypothesis": "$hypothesis", "status": "$finding"}) == {
        "hypothesis": "refuted",
        "status": "disproven",
    }


def test_a_conclusion_may_be_about_a_secondary_figure(symbols: Symbols) -> None:
    assert symbols.resolve({"hypothesis": "$hypothesis.also.0", "status": "$finding.also.1"}) == {
        "hypothesis": "supported",
        "status": "inconclusive",
    }


def test_ids_become_references_and_come_back(symbols: Symbols) -> None:
    arguments = {"issue": "I2", "depends_on": ["I1"], "title": "I2 is only mentioned here", "priority": 2}
    symbolic = symbols.introduce(arguments)
    assert symbolic == {**arguments, "issue": "$issue", "depends_on": ["$issue_1"]}
    assert symbols.resolve(symbolic) == arguments


def test_versions_bind_to_what_was_read_last(symbols: Symbols) -> None:
    symbols.learn({"version": "abc"})
    assert symbols.introduce({"version": "abc"}) == {"version": "$version"}
    symbols.learn({"version": "def"})
    assert symbols.resolve({"version": "$version"}) == {"version": "def"}


@pytest.mark.parametrize("reference", ["$round", "$issue_3", "${gate.status}", "${nonsense}"])
def test_a_reference_to_nothing_is_refused(symbols: Symbols, reference: str) -> None:
    with pytest.raises(BadRequest):
        symbols.resolve(reference)


def test_what_a_person_records_between_turns_does_not_count(run: Run, symbols: Symbols) -> None:
    with run.tx() as tx:
        by_a_person = Actor(Role.HUMAN, "report-1", client="vibeserve report")
        tx.append(by_a_person, "measurement.recorded", "tree", {"measurement": "M2", "against": "baseline"})
        tx.append(by_a_person, "issue.filed", "I3", {"issue": "I3"})
    assert symbols.resolve({"measurement": "$measurement", "issue": "$issue"}) == {"measurement": "M1", "issue": "I2"}
    with pytest.raises(BadRequest):
        symbols.resolve("$measurement_2")


def test_money_and_shell_variables_are_left_alone(symbols: Symbols) -> None:
    assert symbols.resolve("costs $5, see $HOME and $PATH") == "costs $5, see $HOME and $PATH"
