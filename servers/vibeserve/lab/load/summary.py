"""One window's figures, from its samples alone."""

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from vibeserve.lab.load.sample import Sample

MAX_LAG_OF_TTFT = 0.05
CANCELLED = ("cancelled_at_cutoff", "timed_out")


class Distribution(BaseModel):
    """`n` values in milliseconds; a percentile is None when fewer than 1/(1-q) values could carry it."""

    model_config = ConfigDict(frozen=True)

    n: int
    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    max: float | None = None


class Requests(BaseModel):
    """How the requests of a window ended; `unanswered` got no content inside the window."""

    model_config = ConfigDict(frozen=True)

    offered: int
    sent: int
    completed: int
    cancelled: int
    failed: int
    unanswered: int
    failures: dict[str, int] = {}


class Summary(BaseModel):
    """Figures of one window.

    tokens_per_s: token ids received before the cut-off, over the window's length. What came on a stream
        that then failed does not count: a flood that ends in a reset would be free.
    ttft_ms: from the intended arrival to the first content. A request that got none inside the window, or whose
        stream failed, counts with its wait until the cut-off, a lower bound: nobody gets faster by not answering.
    tpot_ms: (last token - first token) / (tokens - 1) of completed requests of two tokens or more.
    itl_ms: between successive tokens of a request; max_stall_ms also counts the open end of cut streams.
    void: why the window must not be used, or None.
    """

    model_config = ConfigDict(frozen=True)

    window_s: float
    tokens: int
    tokens_per_s: float
    requests: Requests
    ttft_ms: Distribution
    tpot_ms: Distribution
    itl_ms: Distribution
    max_stall_ms: float | None
    send_lag_ms: Distribution
    void: str | None = None


def summarize(samples: Sequence[Sample], window_s: float) -> Summary:
    """The figures of a window of `window_s` seconds."""
    tokens = sum(_tokens(sample, window_s) for sample in samples)
    ttft_ms = [_ttft_ms(sample, window_s) for sample in samples]
    itl_ms = [gap_ms for sample in samples for gap_ms in _gaps_ms(sample, window_s)]
    lag_ms = [_lag_ms(sample, window_s) for sample in samples]
    return Summary(
        window_s=window_s,
        tokens=tokens,
        tokens_per_s=tokens / window_s,
        requests=_requests(samples, answered=sum(_is_answered(sample, window_s) for sample in samples)),
        ttft_ms=distribution(ttft_ms),
        tpot_ms=distribution([tpot for sample in samples if (tpot := _tpot_ms(sample)) is not None]),
        itl_ms=distribution(itl_ms),
        max_stall_ms=max(itl_ms + [_open_end_ms(sample, window_s) for sample in samples], default=None),
        send_lag_ms=distribution(lag_ms),
        void=_void(lag_ms, ttft_ms),
    )


def distribution(values_ms: Sequence[float]) -> Distribution:
    """Mean, maximum and the percentiles that so many values can carry."""
    if not values_ms:
        return Distribution(n=0)
    ordered = sorted(values_ms)
    return Distribution(
        n=len(ordered),
        mean=statistics.fmean(ordered),
        p50=_supported(ordered, 0.50),
        p90=_supported(ordered, 0.90),
        p99=_supported(ordered, 0.99),
        max=ordered[-1],
    )


def percentile(ordered: Sequence[float], q: float) -> float:
    """The q-quantile of sorted values by linear interpolation (Hyndman and Fan 1996, type 7)."""
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def _supported(ordered: Sequence[float], q: float) -> float | None:
    needed = round(1 / (1 - q))
    return percentile(ordered, q) if len(ordered) >= needed else None


def _requests(samples: Sequence[Sample], answered: int) -> Requests:
    failures = Counter(sample.error for sample in samples if sample.error and sample.error not in CANCELLED)
    return Requests(
        offered=len(samples),
        sent=sum(sample.sent_s is not None for sample in samples),
        completed=sum(sample.completed for sample in samples),
        cancelled=sum(sample.error in CANCELLED for sample in samples),
        failed=sum(failures.values()),
        unanswered=len(samples) - answered,
        failures=dict(failures),
    )


def _tokens(sample: Sample, window_s: float) -> int:
    if not sample.completed and sample.error not in CANCELLED:
        return 0
    return sum(at_s <= window_s for at_s in sample.token_s)


def _is_answered(sample: Sample, window_s: float) -> bool:
    return sample.first_token_s is not None and sample.first_token_s <= window_s


def _ttft_ms(sample: Sample, window_s: float) -> float:
    failed = sample.error is not None and sample.error not in CANCELLED
    answered = _is_answered(sample, window_s) and not failed
    first_s = sample.first_token_s if answered and sample.first_token_s is not None else window_s
    return max(0.0, first_s - sample.at_s) * 1e3


def _tpot_ms(sample: Sample) -> float | None:
    if not sample.completed or len(sample.token_s) < 2:
        return None
    return (sample.token_s[-1] - sample.token_s[0]) / (len(sample.token_s) - 1) * 1e3


def _gaps_ms(sample: Sample, window_s: float) -> list[float]:
    inside = [at_s for at_s in sample.token_s if at_s <= window_s]
    return [(later - earlier) * 1e3 for earlier, later in itertools.pairwise(inside)]


def _open_end_ms(sample: Sample, window_s: float) -> float:
    """The silence before the cut-off of a stream that had begun and was cut."""
    if sample.error not in CANCELLED or not sample.chunk_s:
        return 0.0
    return max(0.0, window_s - sample.chunk_s[-1]) * 1e3


def _lag_ms(sample: Sample, window_s: float) -> float:
    """How late the request left; one that never left was at least as late as the window's end."""
    left_s = window_s if sample.sent_s is None else sample.sent_s
    return max(0.0, left_s - sample.at_s) * 1e3


def _void(lag_ms: Sequence[float], ttft_ms: Sequence[float]) -> str | None:
    if not lag_ms or not ttft_ms:
        return None
    mean_ms = statistics.fmean(lag_ms)  # what lateness adds to the mean latency; p99 of few requests is one hiccup
    allowed = MAX_LAG_OF_TTFT * statistics.median(ttft_ms)
    if mean_ms <= allowed:
        return None
    return (
        f"the client was late: mean send lag {mean_ms:.2f} ms exceeds {MAX_LAG_OF_TTFT:.0%} of the median "
        f"time to first token ({allowed:.2f} ms)"
    )
