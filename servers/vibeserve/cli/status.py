"""`vibeserve status [RUN]`: the rounds of a run at a glance, or the runs there are."""

from typing import Any

import click
from rich.table import Table

from vibeserve.cli.output import (
    console,
    find_run,
    json_option,
    known_runs,
    print_json,
    run_argument,
    teaching,
)
from vibeserve.core.backlog import backlog
from vibeserve.core.ledger import Record
from vibeserve.core.rounds import Attempt, Round, best_attempt, rounds
from vibeserve.core.run import Run, open_run
from vibeserve.delivery.assurance import weakest_assurance


@click.command("status")
@run_argument
@click.option("--all", "list_all", is_flag=True, help="List the runs under runs/.")
@json_option
@teaching
def command(run: str, list_all: bool, as_json: bool) -> None:
    """Show the rounds of RUN (default: the newest)."""
    if list_all:
        summaries = [summary(open_run(path)) for path in known_runs()]
        print_json(summaries) if as_json else _show_runs(summaries)
        return
    opened = find_run(run)
    if as_json:
        print_json(summary(opened))
        return
    show_rounds(opened)


def summary(run: Run) -> dict[str, Any]:
    """A run as JSON: what it was made from, its rounds, the best candidate."""
    history = rounds(run.ledger, run.target_digest)
    best = best_attempt(history)
    return {
        "run": run.id,
        "folder": str(run.layout.root),
        "target": run.target.name,
        "preset": run.preset_name,
        "assurance": weakest_assurance(run.ledger),
        "rounds": [_round_json(item) for item in history],
        "best": {"candidate": best.candidate, "tree": best.tree, **_versus(best, "baseline")} if best else None,
    }


def show_rounds(run: Run) -> None:
    """The table of rounds, and the best candidate beside the reference."""
    history, issues = rounds(run.ledger, run.target_digest), backlog(run.ledger)
    named = (run.id, run.target.title, run.preset_name, weakest_assurance(run.ledger))
    table = Table(title=" · ".join(named), title_justify="left")
    for name in ("round", "issue", "candidates and their gates", "against the parent", "decision"):
        table.add_column(name)
    for item in history:
        table.add_row(*_cells(item, issues[item.opened.body["issue"]].title))
    console().print(table)
    best = best_attempt(history)
    record = best.measured_against("baseline") if best else None
    if best and record:
        console().print(f"best: {best.candidate} (tree {best.tree[:12]})  {figure(record)} the reference")


def figure(record: Record) -> str:
    """A measurement in one phrase, its interval included."""
    return f"{_change(record)}: {_ratio(record)}"


def _change(record: Record) -> str:
    body = record.body
    return f"{body['against_value']:.4g} → {body['value']:.4g} {body['unit']}"


def _ratio(record: Record) -> str:
    low, high = record.body["ci95"]
    return f"{record.body['ratio']:.2f}× [{low:.2f}, {high:.2f}]"


def _cells(item: Round, title: str) -> tuple[str, ...]:
    decision = item.decision
    if item.closed:
        decision += f"\nhypothesis {item.closed.body['hypothesis_status']}"
    last = item.attempts[-1].measured_against("parent") if item.attempts else None
    against = f"{_change(last)}\n{_ratio(last)} {last.body['outcome']}" if last else "not measured"
    gates = "\n".join(f"{attempt.candidate} {_gate_phrase(attempt)}" for attempt in item.attempts)
    return item.id, title, gates, against, decision


def _gate_phrase(attempt: Attempt) -> str:
    stage = attempt.failed_stage
    return f"{attempt.gate_status}: {stage['name']}" if stage else attempt.gate_status or "not run"


def _round_json(item: Round) -> dict[str, Any]:
    return {
        "round": item.id,
        "issue": item.opened.body["issue"],
        "hypothesis": item.opened.body["hypothesis"],
        "decision": item.decision,
        "hypothesis_status": item.closed.body["hypothesis_status"] if item.closed else None,
        "attempts": [
            {
                "candidate": attempt.candidate,
                "tree": attempt.tree,
                "gate": attempt.gate_status,
                "failed_stage": (attempt.failed_stage or {}).get("name"),
                **_versus(attempt, "parent"),
            }
            for attempt in item.attempts
        ],
    }


def _versus(attempt: Attempt, against: str) -> dict[str, Any]:
    record = attempt.measured_against(against)
    if record is None:
        return {f"vs_{against}": None}
    wanted = ("metric", "unit", "value", "against_value", "ratio", "ci95", "outcome")
    return {f"vs_{against}": {key: record.body[key] for key in wanted}}


def _show_runs(summaries: list[dict[str, Any]]) -> None:
    table = Table()
    for name in ("run", "target", "preset", "rounds", "best against the reference"):
        table.add_column(name)
    for item in summaries:
        versus = (item["best"] or {}).get("vs_baseline")
        ratio = f"{versus['ratio']:.2f}×" if versus else ""
        table.add_row(item["run"], item["target"], item["preset"], str(len(item["rounds"])), ratio)
    console().print(table)
