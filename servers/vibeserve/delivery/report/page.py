"""report.md: a run that a newcomer understands at a glance. Words by agents are escaped."""

from collections.abc import Iterable, Sequence

from vibeserve.delivery.assurance import MEANING
from vibeserve.delivery.facts import Report, RoundFacts, Versus
from vibeserve.delivery.report.marks import figures_of, stopped_at
from vibeserve.delivery.report.sections import attribution_section, best_section, method_section, time_section
from vibeserve.delivery.report.tables import table
from vibeserve.delivery.wording import amount, hardware, interval, safe, times, with_interval


def page(report: Report) -> str:
    """The whole page."""
    parts = [
        f"# {safe(report.title)}: what the run found",
        headline(report),
        *(f"> {safe(note, 1500)}" for note in report.notes),
        "![Speed-up over the reference, round by round](trajectory.png)",
        "## Rounds",
        _rounds(report),
        *_hypotheses(report.rounds),
        "## Baselines",
        _baselines(report),
        *best_section(report),
        *time_section(report),
        *attribution_section(report),
        *method_section(report),
    ]
    return "\n\n".join(parts) + "\n"


def headline(report: Report) -> str:
    """Best against reference and strong baseline, on which hardware, how far to be trusted."""
    where = f"on {safe(hardware(report.hardware))}" if report.hardware else "and nothing was measured"
    trust = f"Assurance: *{report.assurance}* ({MEANING[report.assurance]})."
    of_run = f"Run {safe(report.run)}, preset {safe(report.preset)}, as of record {report.audit.records}."
    if report.best is None:
        return f"**No candidate was promoted that still stands**, {where}. {trust} {of_run}"
    best, unit = report.best, safe(report.unit)
    measured = [
        f"**{with_interval(one.ratio, one.ci95)} {name}** ({amount(one.against_value)} → {amount(one.value)} {unit})"
        for one, name in _comparisons(report)
    ]
    if not measured:
        said = f"The best candidate is {best.candidate} of round {best.round}, {where}"
        return f"{said}. It was not measured after its promotion; `vibeserve report` does that. {trust} {of_run}"
    return (
        f"The best candidate, {best.candidate} of round {best.round}, reaches {' and '.join(measured)}, {where}; "
        f"brackets are 95 % intervals, measured after its promotion on fresh seeds. {trust} {of_run}"
    )


def _comparisons(report: Report) -> Iterable[tuple[Versus, str]]:
    best = report.best
    if best and best.vs_reference:
        yield best.vs_reference, "the reference"
    if best and best.vs_strong_baseline:
        strong = next(baseline for baseline in report.baselines if baseline.strong)
        yield best.vs_strong_baseline, f"the strong baseline {safe(strong.name)}"


def _rounds(report: Report) -> str:
    heads = ("round", "issue", "candidates", "against its parent", "over the reference", "decision", "hypothesis")
    return table(heads, map(_round, report.rounds))


def _round(item: RoundFacts) -> tuple[str, ...]:
    return (
        item.round,
        f"{item.issue}: {safe(item.title)}",
        _candidates(item),
        *figures_of(item),
        item.decision,
        item.hypothesis_status or "–",
    )


def _candidates(item: RoundFacts) -> str:
    """How many were submitted, and what caught those that failed."""
    if not item.attempts:
        return "none"
    stopped = stopped_at(item)
    return f"{len(item.attempts)}" + (f", caught by {safe(', '.join(stopped))}" if stopped else "")


def _hypotheses(rounds: Sequence[RoundFacts]) -> list[str]:
    """What each round wanted to know, and how it was closed."""
    lines = []
    for item in rounds:
        closing = f" *Closed:* {safe(item.reason, 1000)}" if item.reason else ""
        lines.append(f"- **{item.round}** {safe(item.hypothesis, 600)}{closing}")
    return ["\n".join(lines)] if lines else []


def _baselines(report: Report) -> str:
    rows = [
        (
            safe(baseline.name) + (" (strong)" if baseline.strong else ""),
            safe(baseline.title),
            f"{amount(figure.value)} {safe(figure.unit)}" if (figure := baseline.headline) else "not measured",
            f"[{amount(figure.ci95[0])}, {amount(figure.ci95[1])}], {figure.windows} windows" if figure else "–",
            f"{times(speedup.ratio)} {interval(speedup.ci95)}" if (speedup := baseline.speedup) else "–",
        )
        for baseline in report.baselines
    ]
    return table(("baseline", "what it is", "reaches", "95 % interval", "over the reference"), rows)
