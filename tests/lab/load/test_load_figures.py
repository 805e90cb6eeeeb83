"""Figures from samples, arrivals and comparisons, against values known beforehand."""

import itertools
import math
import random
import statistics

import pytest

from vibeserve.core.errors import BadRequest
from vibeserve.lab.load import Sample, compare, poisson, summarize
from vibeserve.lab.load.statistics import student_t
from vibeserve.lab.load.summary import distribution, percentile


def sample(index: int = 0, at_s: float = 0.0, sent_s: float | None = None, token_s=(), **fields) -> Sample:
    ended = {"done": True, "finish_reason": "length"} if "error" not in fields else {}
    return Sample(
        index=index,
        at_s=at_s,
        sent_s=at_s if sent_s is None else sent_s,
        token_s=tuple(token_s),
        chunk_s=tuple(token_s),
        token_ids=tuple(range(len(token_s))),
        first_token_s=token_s[0] if token_s else None,
        **(ended | fields),
    )


def test_time_to_first_token_counts_from_the_intended_arrival():
    summary = summarize([sample(at_s=1.0, sent_s=1.4, token_s=(1.5, 1.6))], 4.0)
    assert summary.ttft_ms.mean == pytest.approx(500)


def test_only_tokens_inside_the_window_count():
    summary = summarize([sample(token_s=(1.0, 2.0, 3.0)), sample(1, token_s=(2.5,))], 2.0)
    assert summary.tokens == 2 and summary.tokens_per_s == 1.0
    assert summary.requests.unanswered == 1


def test_nobody_gets_faster_by_not_answering():
    """Those who get nothing inside the window, or a stream that fails, have waited until the cut-off at least."""
    served = [sample(index, token_s=(0.1,)) for index in range(3)]
    left = [
        sample(3, token_s=(2.5,)),
        sample(4, at_s=0.5, error="cancelled_at_cutoff"),
        sample(5, token_s=(0.01,), error="reset"),
        Sample(index=6, at_s=1.0, error="cancelled_at_cutoff"),
    ]
    assert summarize(served, 2.0).ttft_ms.p50 == pytest.approx(100)
    assert summarize(served + left, 2.0).ttft_ms.p50 == pytest.approx(1000)


def test_tokens_of_a_failed_stream_do_not_count():
    samples = [
        sample(0, token_s=(0.1, 0.2)),
        sample(1, token_s=(0.1,) * 1000, error="reset"),
        sample(2, token_s=(0.3,), error="cancelled_at_cutoff"),
    ]
    assert summarize(samples, 1.0).tokens == 3


def test_time_per_output_token_is_undefined_for_one_token():
    assert summarize([sample(token_s=(1.0,))], 2.0).tpot_ms.n == 0
    assert summarize([sample(token_s=(1.0, 1.1, 1.3))], 2.0).tpot_ms.mean == pytest.approx(150)


def test_time_per_output_token_needs_a_whole_answer():
    cut = sample(token_s=(1.0, 1.1), error="cancelled_at_cutoff")
    assert summarize([cut], 2.0).tpot_ms.n == 0


def test_inter_token_latency_is_per_token_and_a_burst_is_one_stall():
    summary = summarize([sample(token_s=(1.0, 1.0, 1.0, 1.3))], 2.0)
    assert summary.itl_ms.n == 3 and summary.itl_ms.mean == pytest.approx(100)
    assert summary.max_stall_ms == pytest.approx(300)


def test_a_stream_that_falls_silent_is_a_stall():
    cut = sample(token_s=(0.1, 0.2), error="cancelled_at_cutoff")
    assert summarize([cut], 2.0).max_stall_ms == pytest.approx(1800)


def test_requests_are_counted_by_outcome():
    samples = [
        sample(0, token_s=(0.1,)),
        sample(1, error="cancelled_at_cutoff"),
        sample(2, error="reset", token_s=(0.2,)),
        sample(3, error="http_5xx"),
        Sample(index=4, at_s=0.9, error="cancelled_at_cutoff"),
    ]
    requests = summarize(samples, 1.0).requests
    assert (requests.offered, requests.sent, requests.completed) == (5, 4, 1)
    assert (requests.cancelled, requests.failed, requests.unanswered) == (2, 2, 3)
    assert requests.failures == {"reset": 1, "http_5xx": 1}


def test_percentiles_match_the_standard_library():
    values = random.Random(3).sample(range(10_000), 200)
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    figures = distribution(values)
    assert (figures.p50, figures.p90, figures.p99) == pytest.approx((cuts[49], cuts[89], cuts[98]))
    assert percentile([4.0], 0.99) == 4.0


@pytest.mark.parametrize(("n", "known"), [(1, 0), (2, 1), (9, 1), (10, 2), (99, 2), (100, 3)])
def test_percentiles_need_enough_values(n, known):
    figures = distribution([float(value) for value in range(n)])
    assert sum(value is not None for value in (figures.p50, figures.p90, figures.p99)) == known


def test_an_empty_window_has_figures_too():
    summary = summarize([], 1.0)
    assert summary.tokens_per_s == 0 and summary.void is None and summary.ttft_ms.mean is None


@pytest.mark.parametrize(("late_s", "is_void"), [(0.004, False), (0.006, True)])
def test_a_late_client_voids_the_window(late_s, is_void):
    at_s = [0.01 * index for index in range(50)]
    samples = [sample(i, at_s=at, sent_s=at + late_s, token_s=(at + 0.1,)) for i, at in enumerate(at_s)]
    void = summarize(samples, 1.0).void
    assert (void is not None) == is_void
    assert void is None or "send lag" in void


def test_one_hiccup_among_many_requests_does_not_void_a_window_and_is_published():
    samples = [sample(index, at_s=0.01 * index, token_s=(0.01 * index + 0.1,)) for index in range(50)]
    samples.append(sample(50, at_s=0.5, sent_s=0.52, token_s=(0.6,)))
    summary = summarize(samples, 1.0)
    assert summary.void is None and summary.send_lag_ms.max == pytest.approx(20)


def test_a_request_that_never_left_counts_as_late():
    samples = [sample(index, token_s=(0.1,)) for index in range(20)]
    samples.append(Sample(index=20, at_s=0.5, error="cancelled_at_cutoff"))
    summary = summarize(samples, 1.0)
    assert summary.send_lag_ms.max == pytest.approx(500) and summary.void


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    [
        (1, 12.7062),
        (2, 4.30265),
        (3, 3.18245),
        (4, 2.77645),
        (7, 2.36462),
        (10, 2.22814),
        (30, 2.04227),
        (100, 1.98397),
    ],
)
def test_student_t_matches_the_tables(degrees, quantile):
    assert student_t(0.975, degrees) == pytest.approx(quantile, rel=3e-6)


def test_a_comparison_worked_by_hand():
    pairs = [(2.0, 1.0), (2.2, 1.0), (1.8, 1.0), (2.0, 1.0)]
    logs = [math.log(a / b) for a, b in pairs]
    half = 3.182446305 * statistics.stdev(logs) / 2
    result = compare(pairs, direction="higher", relative_noise=0.05)
    assert result.ratio == pytest.approx(math.exp(statistics.fmean(logs)))
    assert result.ci95 == pytest.approx((result.ratio * math.exp(-half), result.ratio * math.exp(half)))
    assert result.pairs == 4 and result.verdict == "better"


@pytest.mark.parametrize(
    ("pairs", "direction", "verdict"),
    [
        ([(2, 1), (2.1, 1), (1.9, 1)], "higher", "better"),
        ([(2, 1), (2.1, 1), (1.9, 1)], "lower", "worse"),
        ([(1, 2), (1, 2.1), (1, 1.9)], "lower", "better"),
        ([(1, 2), (1, 2.1), (1, 1.9)], "higher", "worse"),
        ([(4, 1), (1, 4)], "higher", "inconclusive"),  # parity
        ([(3, 1), (1.1, 1)], "higher", "inconclusive"),  # the interval holds parity
        ([(1.02, 1), (1.021, 1), (1.019, 1)], "higher", "inconclusive"),  # within the noise
        ([(1, 1.02), (1, 1.021), (1, 1.019)], "higher", "inconclusive"),
        ([(1, 1), (1, 1)], "higher", "inconclusive"),
    ],
)
def test_verdicts(pairs, direction, verdict):
    assert compare(pairs, direction=direction, relative_noise=0.05).verdict == verdict


@pytest.mark.parametrize(
    "pairs",
    [[], [(1.0, 1.0)], [(1, 0), (1, 1)], [(-1, 1), (1, 1)], [(math.nan, 1), (1, 1)], [(math.inf, 1), (1, 1)]],
)
def test_what_cannot_be_compared_is_refused(pairs):
    with pytest.raises(BadRequest):
        compare(pairs, direction="higher", relative_noise=0.05)


def test_the_interval_covers_parity_as_often_as_it_says():
    generator = random.Random(11)
    misses = 0
    for _ in range(2000):
        pairs = [(math.exp(generator.gauss(0, 0.04)), 1.0) for _ in range(4)]
        low, high = compare(pairs, direction="higher", relative_noise=0.0).ci95
        misses += not low <= 1.0 <= high
    assert 60 <= misses <= 140  # 5 % of 2000, four standard deviations either way


def test_poisson_arrivals_are_seeded_and_have_their_rate():
    assert poisson(32, 4, seed=7) == poisson(32, 4, seed=7) != poisson(32, 4, seed=8)
    arrivals = poisson(100, 100, seed=1)
    assert len(arrivals) == pytest.approx(10_000, abs=400)
    assert list(arrivals) == sorted(arrivals) and arrivals[0] >= 0 and arrivals[-1] < 100
    gaps = [later - earlier for earlier, later in itertools.pairwise(arrivals)]
    assert statistics.stdev(gaps) == pytest.approx(statistics.fmean(gaps), rel=0.05)


@pytest.mark.parametrize(("rate", "window"), [(0, 1), (-1, 1), (1, 0), (math.nan, 1), (math.inf, 1), (1, math.inf)])
def test_poisson_refuses_nonsense(rate, window):
    with pytest.raises(BadRequest):
        poisson(rate, window, seed=0)
