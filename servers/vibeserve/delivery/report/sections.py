"""The later sections of report.md: the best in detail, where the time went, leave-one-out, the method."""

from vibeserve.delivery.attribution import Attribution
from vibeserve.delivery.facts import Report, Secondary, Versus
from vibeserve.delivery.report.tables import table
from vibeserve.delivery.wording import amount, safe, with_interval


def best_section(report: Report) -> list[str]:
    """The best in all metrics against reference and strong baseline."""
    best = report.best
    if best is None:
        return []
    strong = next((baseline.name for baseline in report.baselines if baseline.strong), "")
    rows = [
        *_headline_row(report, best.vs_reference, "reference"),
        *_headline_row(report, best.vs_strong_baseline, strong),
        *(_secondary_row(figure) for figure in best.also),
    ]
    if not rows:
        return []
    heads = ("metric", "against", "from → to", "ratio", "verdict")
    return [f"## The best: {best.candidate}, tree `{best.tree[:12]}`", table(heads, rows)]


def _headline_row(report: Report, versus: Versus | None, against: str) -> list[tuple[str, ...]]:
    if versus is None:
        return []
    change = f"{amount(versus.against_value)} → {amount(versus.value)} {safe(versus.unit)}"
    better = f"{report.direction} is better"
    said = f"{versus.verdict}, {versus.pairs} pairs in {', '.join(versus.measurements)}"
    return [
        (f"{safe(report.metric)} ({better})", safe(against), change, with_interval(versus.ratio, versus.ci95), said)
    ]


def _secondary_row(figure: Secondary) -> tuple[str, ...]:
    name = f"{safe(figure.name)} ({figure.direction} is better)"
    if figure.ratio is None or figure.ci95 is None or figure.value is None or figure.against_value is None:
        return name, safe(figure.against), "–", "–", f"missing: {safe(figure.missing or '')}"
    change = f"{amount(figure.against_value)} → {amount(figure.value)} {safe(figure.unit)}"
    verdict = f"{figure.verdict}, {figure.pairs} pairs"
    return name, safe(figure.against), change, with_interval(figure.ratio, figure.ci95), verdict


def time_section(report: Report) -> list[str]:
    """Calls, time and share of each role."""
    spent = report.seconds
    rows = [
        (
            role,
            str(part.turns),
            str(part.calls) if part.calls is not None else "–",
            f"{part.seconds:.1f} s" if part.seconds is not None else "–",
            f"{part.share:.0%}" if part.share is not None else "–",
            str(part.records),
        )
        for role, part in spent.per_role.items()
    ]
    said = (
        f"{spent.total:.0f} s from the first turn's start to the last one's end, of which {spent.overhead:.0f} s lay "
        "between the turns: server starts, the driver itself, pauses."
        if spent.total is not None and spent.overhead is not None
        else "No driver played these turns, so their time is not known."
    )
    heads = ("role", "turns", "calls", "time", "share of the turns' time", "ledger records")
    return ["## Where the time went", table(heads, rows), said]


def attribution_section(report: Report) -> list[str]:
    """What each kept change adds to the finished system."""
    title = "## Leave-one-out"
    if report.best is None:
        return [title, "There is no best to take changes out of."]
    if report.attribution is None:
        how = "`vibeserve report --attribute` takes each kept change out of the best, gates what is left and times it."
        return [title, f"Not done yet. {how}"]
    explained = (
        "Each kept change is taken out of the best. The ratio is the best over the best without it, so it says what "
        "the change adds to the finished system."
    )
    rows = [_attribution_row(one) for one in report.attribution]
    return [title, explained, table(("round", "change", "the best over the best without it", "how"), rows)]


def _attribution_row(one: Attribution) -> tuple[str, ...]:
    ratio = f"{with_interval(one.ratio, one.ci95)} {one.verdict}" if one.ratio and one.ci95 else "–"
    return one.round, safe(one.title), ratio, safe(one.detail, 600)


def method_section(report: Report) -> list[str]:
    """What was measured how, in the fewest words."""
    lines = [
        f"- The metric is {safe(report.metric)} in {safe(report.unit)}, {report.direction} is better, as the "
        "target's own benchmark writes it. Prompts and arrivals of every window come from a fresh seed.",
        "- A ratio compares two running systems in pairs of windows, in random order, one frozen while the other is "
        "timed; its interval is a t-interval on the logarithms of the pairs' ratios. All measurements of the same two "
        "systems on one machine are pooled; none is picked. Unlike machines are never compared. Levels drift with the "
        "machine: compare figures only within a pair.",
        "- *Chained*: a product of ratios against parents, their variances added (degrees of freedom by Welch and "
        "Satterthwaite, so that a chain's interval can be narrower than that of its first part). What the best is said "
        "to reach is not chained: it is measured after its promotion, directly.",
        "- A sample of the timed answers was judged afterwards; a tree with a wrong one fails, however fast it was.",
        f"- The record behind it was audited: {report.audit.records} records, chained and signed. All figures with "
        "their stages and thresholds: `report.json`.",
    ]
    return ["## What was measured how", "\n".join(lines)]
