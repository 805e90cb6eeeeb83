"""Stage boot: the candidate gets healthy within its limit, on a port of its own, and does so again."""

from vibeserve.accuracy.control import reference_as_control
from vibeserve.accuracy.stand import Stand
from vibeserve.core.errors import CandidateFailed
from vibeserve.lab.judging import Stage

NAME = "boot"


def boot(stand: Stand) -> Stage:
    """Start the candidate, stop it, and start it once more; it keeps running.

    Raises CandidateFailed; when the reference does not start on the same model either, InfrastructureFailed.
    """
    dtype, limit_s = stand.run.preset.dtype, stand.run.launch.boot_timeout_s
    stand.progress("boot: starting the candidate")
    try:
        first_s = stand.start(dtype).boot_s
    except CandidateFailed:
        stand.progress("boot: it did not start; starting the reference as a control")
        with reference_as_control(stand, dtype):
            pass  # it starts: the model and the machine are not to blame
        raise
    stand.progress("boot: starting it once more")
    try:
        second_s = stand.start(dtype).boot_s
    except CandidateFailed as error:
        raise CandidateFailed(
            f"It started once, but not again after a stop: {error.message}", error.next_step, error.evidence
        ) from error
    return Stage(
        name=NAME,
        status="passed",
        measured={"boot_s": round(first_s, 3), "restart_s": round(second_s, 3)},
        threshold={"boot_s": limit_s, "restart_s": limit_s},
    )
