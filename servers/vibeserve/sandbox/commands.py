"""Running one command to its end, where the role works."""

import sys
from pathlib import Path

from vibeserve.core.errors import BadRequest, InfrastructureFailed
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.core.texts import fenced
from vibeserve.lab.isolation import Job, Limits, Network, Outcome, python_runtime, run, vibeserve_source
from vibeserve.lab.serving.launch import WORKSPACE_AT
from vibeserve.sandbox.outputs import head_and_tail, size_bytes
from vibeserve.sandbox.places import place_of, shown
from vibeserve.sandbox.results import CommandResult
from vibeserve.sandbox.workbench import workbench_of

COMMAND_BYTES = 16_000
MAX_TIMEOUT_S = 600.0
STDOUT_BYTES = 3600
STDERR_BYTES = 2400


def run_command(session: Session, command: str | list[str], timeout_s: float) -> CommandResult:
    """Run a shell line (`/bin/sh -c`) or a program with arguments; every process of it is dead on return."""
    words = _words(command)
    if not 1 <= timeout_s <= MAX_TIMEOUT_S:
        raise BadRequest(f"timeout_s is {timeout_s:g}.", f"Send 1 to {MAX_TIMEOUT_S:.0f} seconds.")
    bench = workbench_of(session)
    place = place_of(session, bench)
    job = Job(
        command=words,
        mounts=(place.mount, *shown(session.run), vibeserve_source(), *python_runtime()),
        cwd=WORKSPACE_AT,
        env=environment(),
        limits=limits(session.run, timeout_s),
    )
    session.progress("the command is running")
    outcome = _run(session, job, bench.network)
    return _result(session.run, outcome, words, place.meaning)


def _run(session: Session, job: Job, network: Network) -> Outcome:
    """Run a job; a session that ends takes it along, and its network too, whatever the job then says."""
    stopped = InfrastructureFailed("The command was stopped with its session.", "Call run_command again.")
    try:
        outcome = run(job, network=network, cancel=session.cancelled)
    except InfrastructureFailed:
        if session.cancelled.is_set():
            raise stopped from None
        raise
    if outcome.status == "cancelled":
        raise stopped
    return outcome


def environment() -> dict[str, str]:
    """Variables of a role's commands: `python` is the interpreter that candidates run with."""
    folders = (str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin")
    return {"PATH": ":".join(folders), "PYTHONDONTWRITEBYTECODE": "1"}


def limits(run: Run, wall_s: float) -> Limits:
    """The limits of a candidate, for everything that a role runs."""
    declared = run.target.launch
    return Limits(wall_s=wall_s, memory_bytes=int(declared.memory_gib * 2**30), processes=declared.processes)


def _words(command: str | list[str]) -> tuple[str, ...]:
    words = ("/bin/sh", "-c", command) if isinstance(command, str) else tuple(command)
    if not words or not words[-1 if isinstance(command, str) else 0].strip():
        raise BadRequest("The command is empty.", "Send a shell line, or a program with its arguments.")
    if any("\0" in word for word in words) or sum(len(word.encode()) for word in words) > COMMAND_BYTES:
        raise BadRequest(
            f"The command holds a NUL character or more than {COMMAND_BYTES} bytes.",
            "Write a script into the workspace and run that.",
        )
    return words


def _result(run: Run, outcome: Outcome, words: tuple[str, ...], place: str) -> CommandResult:
    assert outcome.status != "cancelled"
    too_long = size_bytes(outcome.stdout) > STDOUT_BYTES or size_bytes(outcome.stderr) > STDERR_BYTES
    whole = f"== stdout\n{outcome.stdout}\n== stderr\n{outcome.stderr}\n"
    return CommandResult(
        status=outcome.status,
        exit_code=outcome.exit_code,
        stdout=fenced(head_and_tail(outcome.stdout, STDOUT_BYTES)),
        stderr=fenced(head_and_tail(outcome.stderr, STDERR_BYTES)),
        seconds=round(outcome.seconds, 3),
        place=place,
        message=_message(outcome, words),
        artifact=run.artifacts.put(whole, "command.txt") if too_long else None,
    )


def _message(outcome: Outcome, words: tuple[str, ...]) -> str | None:
    """What a status means, where it is not plain."""
    if outcome.status == "timed_out":
        return f"It did not end within {outcome.seconds:.0f} s and was killed with all that it had started."
    if outcome.status == "out_of_memory":
        return "It used more memory than a candidate may and was killed."
    if outcome.status == "output_limit":
        return "It printed more than is allowed and was killed."
    if outcome.killed:
        return "SIGKILL ended it, and by no limit of ours: it killed itself, or somebody did from outside."
    if outcome.exit_code == 127:
        return f"There is no such command in the sandbox: see stderr. It looked for {words[0]!r} or a part of it."
    return None
