"""The README of an export."""

import re
from collections.abc import Iterator, Sequence

from vibeserve.core.run import Run
from vibeserve.core.target import Preset, fill
from vibeserve.delivery.assurance import MEANING
from vibeserve.delivery.export.figures import Claim, Figures
from vibeserve.delivery.export.launching import shown
from vibeserve.delivery.export.manifest import TARGET, Manifest
from vibeserve.delivery.export.templating import filled
from vibeserve.delivery.facts import Direction
from vibeserve.delivery.pooling import Environment
from vibeserve.delivery.wording import amount, hardware, safe, with_interval

_HEADING = re.compile(r"^(#{1,4} )", re.MULTILINE)


def readme(run: Run, manifest: Manifest, figures: Figures, environment: Environment, notes: Sequence[str]) -> str:
    """The page that a receiver reads first. `manifest` need not list the files yet."""
    return filled(
        "README.md",
        {
            "title": run.target.title,
            "tree_short": manifest.tree[:12],
            "tree": manifest.tree,
            "vibeserve": manifest.vibeserve,
            "candidate": manifest.candidate,
            "round": manifest.round,
            "run": manifest.run,
            "target": manifest.target,
            "preset": manifest.preset,
            "figures": _headline(figures),
            "notes": "".join(f"> {safe(note, 1500)}\n\n" for note in notes),
            "dtype": run.preset.dtype,
            "command": shown(run.launch.command),
            "health": run.launch.health,
            "model": _model(run.preset),
            "model_digest": manifest.model_digest,
            "rows": "\n".join(_rows(figures)) or "| nothing was measured | | | | | | |",
            "hardware": _measured_on(figures, environment),
            "assurance": manifest.assurance,
            "assurance_means": MEANING[manifest.assurance],
            "public_key": manifest.public_key,
            "target_digest": manifest.target_digest,
            "objective": _HEADING.sub(r"##\1", (run.layout.target / "OBJECTIVE.md").read_text(encoding="utf-8")),
        },
    )


def _headline(figures: Figures) -> str:
    """The two ratios that count, or that they were not measured."""
    named = ((figures.vs_reference, "the reference"), (figures.vs_strong_baseline, "the strong baseline"))
    said = [
        f"**{with_interval(claim.versus.ratio, claim.versus.ci95)} {name}** "
        f"({amount(claim.versus.against_value)} → {amount(claim.versus.value)} {claim.versus.unit}"
        f"{'' if claim.confirmed else '; taken before its promotion, so flattered by chance'})"
        for claim, name in named
        if claim
    ]
    return " and ".join(said) or "It was measured against its parent only (see the table)."


def _rows(figures: Figures) -> Iterator[str]:
    for over, claim in _shown(figures):
        yield from _claim_rows(figures, over, claim)


def _shown(figures: Figures) -> Iterator[tuple[str, Claim]]:
    """The claims that have rows, with what they are over; a parent that is the reference has its own once."""
    parent = figures.vs_parent
    if parent:
        yield f"its parent `{parent.against_tree[:12]}`", parent
    if figures.vs_reference and (parent is None or figures.vs_reference.against_tree != parent.against_tree):
        yield "the reference", figures.vs_reference
    if figures.vs_strong_baseline:
        yield "the strong baseline", figures.vs_strong_baseline


def _claim_rows(figures: Figures, over: str, claim: Claim) -> Iterator[str]:
    versus = claim.versus
    taken = "after its promotion, on fresh seeds" if claim.confirmed else "before its promotion"
    yield (
        f"| {_named(figures.metric, figures.direction)} | {over} | {with_interval(versus.ratio, versus.ci95)} "
        f"{versus.verdict} | {amount(versus.value)} "
        f"{versus.unit} | {amount(versus.against_value)} {versus.unit} | {versus.pairs} | {taken} |"
    )
    for also in claim.also:
        name = _named(also.name, also.direction)
        if also.ratio is None or also.ci95 is None or also.value is None or also.against_value is None:
            yield f"| {name} | {over} | not known: {safe(also.missing or '')} | | | | {taken} |"
        else:
            yield (
                f"| {name} | {over} | {with_interval(also.ratio, also.ci95)} {also.verdict} | {amount(also.value)} "
                f"{also.unit} | {amount(also.against_value)} {also.unit} | {also.pairs} | {taken} |"
            )


def _named(metric: str, direction: Direction) -> str:
    return f"{safe(metric)} ({direction} is better)"


def _measured_on(figures: Figures, environment: Environment) -> str:
    """The machine of the newest measurement, and where other rows were taken on another one."""
    elsewhere = [(over, claim) for over, claim in _shown(figures) if claim.environment != environment]
    said = (f"the rows over {over} on {hardware(claim.environment)}" for over, claim in elsewhere)
    return "; ".join([hardware(environment), *said])


def _model(preset: Preset) -> str:
    """Where the model comes from."""
    if preset.build is None:
        return f"`{preset.model_id}` at revision `{preset.revision}`, as a local Hugging Face snapshot."
    command = fill(preset.build, {"python": "python", "target": TARGET, "out": "/path/to/model"})
    return f"It is built by the target's own command:\n\n    {' '.join(command)}"
