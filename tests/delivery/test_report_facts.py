"""What a report states, against figures worked out here from the same records."""

import math
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
from played_run import Player, new_run

from vibeserve.delivery.facts import Report
from vibeserve.delivery.report.gathering import gather
from vibeserve.lab.load.statistics import student_t

KEYS = "run target preset assurance hardware baselines rounds best audit seconds attribution"
ROUND_KEYS = "round issue title hypothesis attempts decision hypothesis_status tree gate headline vs_parent"
CLOSE = 1e-9


@pytest.fixture
def player(tmp_path: Path) -> Iterator[Player]:
    made = Player(new_run(tmp_path))
    yield made
    made.run.database.close()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Player, Report]:
    """Four rounds: kept, kept after a caught attempt, caught for good, not convincing; then confirmations."""
    player = Player(new_run(tmp_path_factory.mktemp("told")))
    player.promoted("Static cache", 2.0)
    player.open("Batching")
    player.attempt("numeric")
    best = player.attempt()
    player.measure(best, 3.0)
    player.measure(best, 9.0, "baseline")  # before its promotion: it may have been chosen for it
    player.close("promote")
    player.open("Completion cache")
    player.attempt("repeat")
    player.close("discard", "untested")
    player.open("Fewer writes")
    player.measure(player.attempt(), 1.0, noise=0.06)
    player.close("discard", "inconclusive")
    player.measure(best, 6.0, "baseline", also={"ttft": 0.1})
    player.measure(best, 6.1, "baseline", also={"ttft": 0.1})
    player.measure(best, 1.5, "static-batch", also={"ttft": 0.5})
    return player, gather(player.run, [])


def log_interval(values: list[float]) -> tuple[float, float]:
    logs = [math.log(value) for value in values]
    half = student_t(0.975, len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(statistics.fmean(logs) - half), math.exp(statistics.fmean(logs) + half)


def pairs_of(player: Player, *names: str) -> list[tuple[float, float]]:
    records = player.run.ledger.records("measurement.recorded")
    return [tuple(pair) for record in records if record.body["measurement"] in names for pair in record.body["values"]]


def test_the_promised_keys_are_there(told: tuple[Player, Report]) -> None:
    document = told[1].model_dump(mode="json")
    assert set(KEYS.split()) <= set(document)
    assert all(set(ROUND_KEYS.split()) <= set(item) for item in document["rounds"])
    assert document["audit"] == {"ok": True, "records": len(told[0].run.ledger.records())}


def test_a_round_tells_its_attempts_and_its_gate(told: tuple[Player, Report]) -> None:
    batching = told[1].rounds[1]
    assert [(one.gate, one.failed_stage) for one in batching.attempts] == [("failed", "numeric"), ("passed", None)]
    assert (batching.decision, batching.hypothesis_status) == ("promote", "supported")
    assert [stage.name for stage in batching.gate.stages] == ["boot", "served"]
    assert batching.gate.stages[0].measured == {"boot_s": 1.5}
    assert batching.gate.stages[0].threshold == {"boot_s": 60}


def test_what_was_not_measured_is_null(told: tuple[Player, Report]) -> None:
    caught = told[1].rounds[2]
    assert caught.gate.status == "failed"
    assert (caught.headline, caught.vs_parent, caught.speedup) == (None, None, None)


def test_headline_and_ratio_are_those_of_the_windows(told: tuple[Player, Report]) -> None:
    player, report = told
    pairs, batching = pairs_of(player, "M2"), report.rounds[1]
    assert batching.headline.ci95 == pytest.approx(log_interval([mine for mine, _ in pairs]), rel=CLOSE)
    assert batching.headline.windows == len(pairs)
    assert batching.vs_parent.ci95 == pytest.approx(log_interval([mine / other for mine, other in pairs]), rel=CLOSE)
    assert batching.vs_parent.verdict == "better"


def test_a_speedup_is_the_product_along_the_chain(told: tuple[Player, Report]) -> None:
    player, report = told
    first, second = ([math.log(mine / other) for mine, other in pairs_of(player, name)] for name in ("M1", "M2"))
    variances = [statistics.variance(logs) / len(logs) for logs in (first, second)]
    degrees = sum(variances) ** 2 / sum(one**2 / 3 for one in variances)
    mean = statistics.fmean(first) + statistics.fmean(second)
    half = student_t(0.975, math.floor(degrees)) * math.sqrt(sum(variances))
    found = report.rounds[1].speedup
    assert found.chained
    assert found.ratio == pytest.approx(math.exp(mean), rel=CLOSE)
    assert found.ci95 == pytest.approx((math.exp(mean - half), math.exp(mean + half)), rel=CLOSE)
    assert not report.rounds[0].speedup.chained


def test_the_best_pools_what_came_after_its_promotion_only(told: tuple[Player, Report]) -> None:
    player, report = told
    versus = report.best.vs_reference
    assert versus.measurements == ["M5", "M6"]
    ratios = [mine / other for mine, other in pairs_of(player, "M5", "M6")]
    assert versus.ci95 == pytest.approx(log_interval(ratios), rel=CLOSE)
    assert report.best.vs_strong_baseline.measurements == ["M7"]
    assert [(one.against, one.pairs) for one in report.best.also] == [("reference", 8), ("static-batch", 4)]


def test_the_strong_baseline_stands_where_the_best_says(told: tuple[Player, Report]) -> None:
    best, strong = told[1].best, told[1].baselines[1]
    assert strong.strong
    assert strong.speedup.ratio == pytest.approx(best.vs_reference.ratio / best.vs_strong_baseline.ratio, rel=CLOSE)
    assert strong.headline.windows == 4


def test_a_checkpoint_that_fails_later_gives_way_to_the_one_before(player: Player) -> None:
    first = player.promoted("Static cache", 2.0)
    second = player.promoted("Batching", 3.0)
    player.gate(second, "served")
    report = gather(player.run, [])
    assert report.best.candidate == first
    assert report.rounds[1].gate.status == "failed"


def test_nothing_promoted_means_no_best(player: Player) -> None:
    player.open("Fewer writes")
    player.measure(player.attempt(), 0.9)
    player.close("discard", "refuted")
    report = gather(player.run, [])
    assert report.best is None
    assert report.rounds[0].vs_parent.verdict == "worse"


def test_unlike_machines_are_never_pooled(player: Player) -> None:
    candidate = player.promoted("Static cache", 2.0)
    player.measure(candidate, 2.0, "baseline")
    player.machine["cpu"] = "another"
    player.measure(candidate, 5.0, "baseline")
    report = gather(player.run, [])
    assert report.hardware["cpu"] == "another"
    assert report.best.vs_reference.measurements == ["M3"]


def test_what_is_left_out_for_its_machine_is_told(player: Player) -> None:
    player.promoted("Static cache", 2.0)
    player.machine["cpu"] = "another"
    player.promoted("Batching", 2.0)
    assert gather(player.run, []).notes == [
        "Taken on another machine or with other versions, so in no figure here: M1."
    ]


def test_a_best_that_was_killed_and_tried_again_is_told(player: Player) -> None:
    candidate = player.promoted("Static cache", 3.0)
    tree = player.run.ledger.last("checkpoint.promoted").subject
    with player.run.tx() as tx:
        body = {"candidate": candidate, "target_digest": player.run.target_digest, "killed": True}
        tx.append(player.actor("evaluator"), "infrastructure.failed", tree, body)
    [note] = gather(player.run, []).notes
    assert "by SIGKILL" in note
    assert "cannot be seen: 1." in note


def test_a_promotion_of_something_slower_is_told(player: Player) -> None:
    player.promoted("Static cache", 3.0)
    player.promoted("Tidied up", 0.5)
    [note] = gather(player.run, []).notes
    assert note.startswith("The best is the newest promotion that stands. R1 kept a faster one: ")
    player.promoted("Batching", 4.0)
    assert gather(player.run, []).notes == []


def test_a_secondary_figure_that_one_measurement_lacks_is_missing(player: Player) -> None:
    candidate = player.promoted("Static cache", 2.0)
    player.measure(candidate, 2.0, "baseline", also={"ttft": 0.1})
    player.measure(candidate, 2.0, "baseline")
    [figure] = gather(player.run, []).best.also
    assert figure.ratio is None
    assert figure.missing


def test_where_less_is_better_a_speedup_is_still_above_one(tmp_path: Path) -> None:
    player = Player(new_run(tmp_path, ('direction = "higher"', 'direction = "lower"')))
    player.direction = "lower"
    player.promoted("Static cache", 0.5)
    item = gather(player.run, []).rounds[0]
    assert item.vs_parent.ratio < 1 < item.speedup.ci95[0]
    assert item.vs_parent.verdict == "better"


def test_time_is_told_by_role(player: Player) -> None:
    player.promoted("Static cache", 2.0)
    player.turn("judge", "T1", calls=3, seconds=0.003)
    player.turn("judge", "T2", calls=1, seconds=0.001)
    spent = gather(player.run, []).seconds
    judge, orchestrator = spent.per_role["judge"], spent.per_role["orchestrator"]
    assert (judge.turns, judge.calls, judge.seconds, judge.share) == (3, 4, 0.004, 1.0)
    assert (orchestrator.turns, orchestrator.calls, orchestrator.seconds) == (1, None, None)
    assert orchestrator.records == roles_of_records(player).count("orchestrator")
    assert spent.total == pytest.approx(spent.overhead + 0.004)


def roles_of_records(player: Player) -> list[str]:
    return [record.actor.role.value for record in player.run.ledger.records()]


def test_without_a_driver_no_time_is_known(player: Player) -> None:
    player.promoted("Static cache", 2.0)
    spent = gather(player.run, []).seconds
    assert (spent.total, spent.overhead) == (None, None)
