"""Short words for figures, and hostile text made harmless in a page or a plot."""

import re
from collections.abc import Mapping
from textwrap import wrap

from vibeserve.core.artifacts import printable
from vibeserve.core.texts import excerpt
from vibeserve.delivery.facts import Interval

_MARKUP = re.compile(r"([\\`*_\[\]<>|~&#$^=])")
CELL_BYTES = 300
SMALL = 0.1
FULLWIDTH_AT = "\uff20"  # no backslash keeps an address from becoming a link


def times(ratio: float) -> str:
    """A ratio in three digits: 1.25×, 12.3×; a small one (of latencies) in three that count, 0.0312×."""
    return f"{_digits(ratio)}×"


def interval(ci95: Interval) -> str:
    """An interval of a ratio."""
    low, high = ci95
    return f"[{_digits(low)}, {_digits(high)}]"


def _digits(value: float) -> str:
    if value < SMALL:
        return f"{value:.3g}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def with_interval(ratio: float, ci95: Interval) -> str:
    """A ratio and its interval."""
    return f"{times(ratio)} {interval(ci95)}"


def amount(value: float) -> str:
    """A measured value in at least three digits and without an exponent: 0.123, 45.6, 1,234."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:#.3g}".rstrip(".")


def safe(text: str, limit_bytes: int = CELL_BYTES) -> str:
    """A text by agents on one line of Markdown: it can neither end a table's cell nor become markup or a link."""
    line = " ".join(excerpt(text, limit_bytes).split())
    escaped = _MARKUP.sub(r"\\\1", line).replace("://", r"\://").replace("@", FULLWIDTH_AT)
    return re.sub(r"(?i)\bwww\.", lambda match: f"{match.group()[:-1]}\\.", escaped)


def short(text: str, width: int, lines: int) -> str:
    """A text by agents as at most `lines` lines of `width` characters, with a mark where it was cut."""
    found = wrap(" ".join(printable(text).split()), width) or [""]
    if len(found) <= lines:
        return "\n".join(found)
    last = found[lines - 1]
    return "\n".join([*found[: lines - 1], f"{last[: width - 1].rstrip()}…"])


def hardware(environment: Mapping[str, str | int]) -> str:
    """A machine and its versions in one phrase."""
    gib = int(environment["memory_bytes"]) / 2**30
    versions = ", ".join(f"{name} {environment[name]}" for name in ("python", "torch") if name in environment)
    return f"{environment['cpu']}, {environment['cores']} cores, {gib:.0f} GiB ({environment['kernel']}; {versions})"
