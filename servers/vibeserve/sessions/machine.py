"""Whether a run goes on where it was begun: figures of unlike machines are never compared."""

from vibeserve.core.run import Run
from vibeserve.profiler.environment import differences, environment


def unlike_machine(run: Run) -> str:
    """One line when this machine is not like the one that the run was begun or last measured on; else nothing."""
    measured = run.ledger.last("measurement.recorded")
    begun = measured.body["environment"] if measured else run.created.body["settings"].get("environment")
    differing = differences(begun, environment()) if begun else ""
    if not differing:
        return ""
    return f"This machine is unlike the one before ({differing}): measurements of both are not pooled or compared."
