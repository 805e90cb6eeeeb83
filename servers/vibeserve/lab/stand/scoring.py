"""What the target's score command says of answers: teacher-forced by the reference, in the judging dtype."""

from collections.abc import Sequence
from pathlib import Path

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.core.session import Session
from vibeserve.lab.judging import Answer, Score, read_scores, score_input
from vibeserve.lab.stand.judges import OUT_AT, describe_end, run_judge, said
from vibeserve.lab.stand.outputs import read_output


def score_answers(session: Session, answers: Sequence[Answer], out: Path) -> tuple[Score, ...]:
    """One score for each answer; `out` is a new folder. Its failure is InfrastructureFailed, nobody's fault."""
    reference = session.run.target.reference
    out.mkdir()
    (out / "answers.json").write_text(score_input(answers))
    values = {
        "dtype": session.run.target.numeric.dtype,
        "in": f"{OUT_AT}/answers.json",
        "out": f"{OUT_AT}/scores.json",
    }
    outcome = run_judge(session, reference.score, values, out, session.run.timeout_s(reference.timeout_s))
    written = read_output(out / "scores.json")
    if not outcome.ok or written is None:
        reason = "it wrote no scores" if outcome.ok else describe_end(outcome)
        raise InfrastructureFailed(
            f"The target's score command failed: {reason}.",
            "Run its score command by hand on one answer, as the target's README says.",
            evidence=said(outcome),
        )
    return read_scores(written, answers)
