"""Whether a run goes on where it was begun: figures of unlike machines are never compared."""

from vibeserve.core.run import Run
from vibeserve.profiler.environment import environment


def unlike_machine(run: Run) -> str:
    """One line when this machine is not like the one that the run was begun or last measured on; else nothing."""
    measured = run.ledger.last("measurement.recorded")
    begun = measured.body["environment"] if measured else run.created.body["settings"].get("environment")
    here = environment()
    if not begun or begun == here:
        return ""
    differing = [name for name in sorted({*begun, *here}) if begun.get(name) != here.get(name)]
    shown = ", ".join(f"{name} {begun.get(name, 'none')} → {here.get(name, 'none')}" for name in differing)
    return f"This machine is unlike the one before ({shown}): measurements of both are not pooled or compared."
