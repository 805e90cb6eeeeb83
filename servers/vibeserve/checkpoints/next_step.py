"""What a round needs next, and which tool of which role supplies it."""

from vibeserve.core.rounds import Attempt, Round


def next_step(item: Round) -> str:
    """One sentence for whoever comes next."""
    if item.closed is not None:
        return "The round is closed; the Orchestrator opens the next one with open_round."
    if not item.attempts:
        return "The Implementer edits the workspace and submits it with submit_candidate."
    latest = item.attempts[-1]
    if _failed(latest):
        return _after_failure(item, latest)
    name, evidence = latest.candidate, latest.evidence
    if not evidence.gate_passed:
        again = "again, its gate was inconclusive" if evidence.gate else "with run_gate"
        return f"The Accuracy Judge runs the gate on {name} {again}."
    if evidence.verdict is None:
        return f"The Accuracy Judge reads diff_candidate and gives the verdict on {name} with submit_verdict."
    if not evidence.measurements:
        return f"The Performance Evaluator measures {name} with measure."
    if evidence.evaluation is None:
        return f"The Performance Evaluator evaluates {name} with submit_evaluation."
    return f"The Orchestrator decides about {name} with close_round."


def _failed(latest: Attempt) -> bool:
    rejected = latest.evidence.verdict is not None and not latest.evidence.verdict_passed
    return latest.gate_status == "failed" or rejected


def _after_failure(item: Round, latest: Attempt) -> str:
    left = item.opened.body["attempts"] - len(item.attempts)
    if latest.evidence.verdict is None:
        return f"{latest.candidate} failed the gate: the Accuracy Judge says why with submit_verdict (fail)."
    if left > 0:
        return f"{latest.candidate} failed: the Implementer mends it and submits again ({left} attempts left)."
    return f"{latest.candidate} failed and no attempt is left: the Orchestrator closes with close_round."
