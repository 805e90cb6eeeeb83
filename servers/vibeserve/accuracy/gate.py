"""The gate: stages from cheap to dear, stopped at the first that does not pass, and one record of it all."""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vibeserve.accuracy.boot import boot
from vibeserve.accuracy.checker import checker
from vibeserve.accuracy.numeric import numeric
from vibeserve.accuracy.repeat import repeat
from vibeserve.accuracy.reports import GateReport, no_such_candidate, report
from vibeserve.accuracy.stand import Stand, open_stand
from vibeserve.core.artifacts import printable
from vibeserve.core.errors import CandidateFailed, Refused, ServerKilled, VibeServeError
from vibeserve.core.evidence import GATE_KINDS, candidate_record
from vibeserve.core.ledger import Record
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.core.texts import fenced
from vibeserve.lab.judging import Stage
from vibeserve.lab.stand.coverage import coverage
from vibeserve.lab.stand.inputs import require_unchanged
from vibeserve.lab.stand.killed import forgiven_twice

MAX_RERUNS = 2
FEEDBACK_CHARACTERS = 1200
LOG_EXCERPT_CHARACTERS = 700
WORD_CHARACTERS = FEEDBACK_CHARACTERS - LOG_EXCERPT_CHARACTERS - 200  # of ours before a log, its marks left room

StageFunction = Callable[[Stand], Stage]
STAGES: tuple[tuple[str, StageFunction], ...] = (
    ("boot", boot),
    ("checker", checker),
    ("numeric", numeric),
    ("repeat", repeat),
)


@dataclass(frozen=True)
class Examination:
    """What the stages found on one tree. `outcome` is passed, failed or inconclusive; `evidence` is hostile text."""

    tree: str
    outcome: str
    stages: list[Stage]
    coverage: list[str]
    not_applicable: list[str]
    seconds: float
    seeds: dict[str, int]
    evidence: str

    @property
    def killed(self) -> bool:
        """Whether it is inconclusive because the server died by SIGKILL, with no visible author."""
        return any(stage.killed for stage in self.stages)


def run_gate(session: Session, candidate: str) -> GateReport:
    """Gate a fresh checkout of a candidate's tree and record how it ended."""
    submitted = candidate_record(session.run.ledger, candidate)
    if submitted is None:
        raise no_such_candidate(candidate)
    tree = str(submitted.body["tree"])
    require_unsettled(session.run, tree)
    examined = examine(session, tree)
    body = {
        "candidate": submitted.body["candidate"],
        "round": submitted.body["round"],
        "tree": tree,
        "target_digest": session.run.target_digest,
        "seconds": round(examined.seconds, 2),
        "stages": [stage.model_dump(mode="json", exclude={"evidence"}) for stage in examined.stages],
        "coverage": examined.coverage,
        "not_applicable": examined.not_applicable,
        "artifact": session.run.artifacts.put(examined.evidence, f"gate-{submitted.body['candidate']}.txt"),
        "seeds": examined.seeds,
        **({"killed": True} if examined.killed else {}),
    }
    return report(_record(session, tree, examined.outcome, body))


def examine(session: Session, tree: str) -> Examination:
    """Run all stages on a fresh checkout of `tree`, any tree of the run's repository. Nothing is recorded.

    Raises InfrastructureFailed when target or model are not those of the run, or when the session was cancelled.
    """
    require_unchanged(session)
    began = time.monotonic()
    with open_stand(session, tree) as stand:
        stages = _run_stages(stand)
        evidence = _evidence(stand, stages)
    require_unchanged(session)
    covered = coverage(session.run)
    return Examination(
        tree=tree,
        outcome=outcome(stages),
        stages=stages,
        coverage=covered.applies,
        not_applicable=covered.not_applicable,
        seconds=time.monotonic() - began,
        seeds=stand.seeds,
        evidence=evidence,
    )


def outcome(stages: Sequence[Stage]) -> str:
    """What the stages come to: `passed` only when the last one did."""
    last = stages[-1]
    return "passed" if last.passed else last.status


def require_unsettled(run: Run, tree: str) -> None:
    """Refuse a gate on a tree where one has decided, or where no rerun is left."""
    gates = [
        record for record in run.ledger.records(GATE_KINDS, tree) if record.body["target_digest"] == run.target_digest
    ]
    for kind, why, next_step in _SETTLED:
        settled = next((record for record in reversed(gates) if record.kind == kind), None)
        if settled is not None:
            gate, candidate = settled.body["gate"], settled.body["candidate"]
            raise Refused(f"Gate {gate} {why} on this tree.", f"See show_gate(candidate={candidate}). {next_step}")
    if len(gates) > MAX_RERUNS:
        raise Refused(
            f"The gate was inconclusive {len(gates)} times on this tree; it is rerun twice at most.",
            f"See show_gate(candidate={gates[-1].body['candidate']}). A person must mend the machinery "
            "(`vibeserve doctor`); the round can be closed as blocked.",
        )


_SETTLED = (
    (
        "gate.failed",
        "has failed, which is final,",
        "The Implementer changes the candidate and submits it again.",
    ),
    ("gate.passed", "has passed already", "Go on with diff_candidate and submit_verdict."),
)


def _run_stages(stand: Stand) -> list[Stage]:
    stages: list[Stage] = []
    for name, function in STAGES:
        stage = _attempt(stand, name, function)
        stages.append(stage)
        if not stage.passed:
            break
    return stages


def _attempt(stand: Stand, name: str, function: StageFunction) -> Stage:
    """One stage; a candidate's failure fails it, any other leaves it inconclusive and on record."""
    try:
        with forgiven_twice(stand.run, stand.tree):
            stage = function(stand)
        return stage.model_copy(update={"feedback": stage.feedback[:FEEDBACK_CHARACTERS]})
    except CandidateFailed as error:
        stand.require_wanted()
        return Stage(name=name, status="failed", feedback=_feedback(error), evidence=error.evidence)
    except VibeServeError as error:
        stand.require_wanted()
        said, evidence = str(error)[:FEEDBACK_CHARACTERS], str(getattr(error, "evidence", ""))
        killed = isinstance(error, ServerKilled)
        return Stage(name=name, status="inconclusive", feedback=said, evidence=evidence, killed=killed)
    except Exception as error:
        stand.require_wanted()  # closing the network under a stage that works breaks it in many ways
        return _broken(name, error)


def _feedback(error: CandidateFailed) -> str:
    """What failed, and the end of the candidate's log, fenced."""
    log = fenced(printable(error.evidence)[-LOG_EXCERPT_CHARACTERS:])
    return f"{str(error)[:WORD_CHARACTERS]}\nEnd of its log:\n{log}" if log else str(error)[:FEEDBACK_CHARACTERS]


def _broken(name: str, error: Exception) -> Stage:
    """A stage that broke by a fault of ours. Where is told, but no value: it could be a hidden prompt."""
    return Stage(
        name=name,
        status="inconclusive",
        feedback=f"The stage itself broke ({type(error).__name__}). Report this with the gate's artifact.",
        evidence="".join(traceback.format_tb(error.__traceback__)),
    )


def _evidence(stand: Stand, stages: Sequence[Stage]) -> str:
    """The artifact: each stage's evidence, then the candidate's logs."""
    parts = [f"== stage {stage.name}: {stage.status}\n{stage.feedback}\n{stage.evidence}\n" for stage in stages]
    stand.stop()
    for log in stand.logs:
        text = log.read_text(errors="replace") if log.exists() else ""
        parts.append(f"== {log.name} (the candidate's words)\n{text}\n")
    return printable("\n".join(parts))


def _record(session: Session, tree: str, decided: str, body: dict[str, object]) -> Record:
    """Append the one record; two gates of one tree that ran at the same time cannot both decide."""
    with session.run.tx() as tx:
        require_unsettled(session.run, tree)
        number = sum(session.run.ledger.count(kind) for kind in GATE_KINDS) + 1
        return session.append(tx, f"gate.{decided}", tree, {"gate": f"G{number}", **body})
