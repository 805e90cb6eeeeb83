"""What a round needs next, and which tool of which role supplies it."""

from vibeserve.core.rounds import Attempt, Round


def next_step(item: Round) -> str:
    """One sentence for whoever comes next."""
    if item.closed is not None:
        return "The round is closed; the Orchestrator opens the next one with open_round."
    if not item.attempts:
        return "The Implementer edits the workspace and submits it with submit_candidate."
    latest = item.attempts[-1]
    return _after_failure(item, latest) if latest.failed else _toward_a_decision(latest)


def _toward_a_decision(latest: Attempt) -> str:
    name, evidence = latest.candidate, latest.evidence
    again = " again: the last one was inconclusive" if evidence.gate else ""
    steps = (
        (evidence.gate_passed, f"The Accuracy Judge calls run_gate on {name}{again}."),
        (evidence.verdict, f"The Accuracy Judge reads diff_candidate and calls submit_verdict on {name}."),
        (evidence.measurements, f"The Performance Evaluator calls measure on {name}."),
        (evidence.evaluation, f"The Performance Evaluator calls submit_evaluation on {name}."),
    )
    decide = f"The Orchestrator decides about {name} with close_round."
    return next((text for supplied, text in steps if not supplied), decide)


def _after_failure(item: Round, latest: Attempt) -> str:
    left = item.opened.body["attempts"] - len(item.attempts)
    if latest.evidence.verdict is None:
        return f"{latest.candidate} failed the gate; the Accuracy Judge says why with submit_verdict (fail)."
    if left > 0:
        return f"{latest.candidate} failed; the Implementer mends it and submits again ({left} attempts left)."
    return f"{latest.candidate} failed and no attempt is left; the Orchestrator closes with close_round."
