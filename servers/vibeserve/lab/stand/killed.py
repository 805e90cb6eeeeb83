"""A candidate that is killed from outside: forgiven twice, since a candidate can kill itself too."""

import contextlib
from collections.abc import Iterator

from vibeserve.core.errors import CandidateFailed, ServerKilled
from vibeserve.core.evidence import times_killed
from vibeserve.core.run import Run

FORGIVEN = 2


@contextlib.contextmanager
def forgiven_twice(run: Run, tree: str) -> Iterator[None]:
    """Inside it the third ServerKilled of one tree, and each after that, becomes CandidateFailed."""
    try:
        yield
    except ServerKilled as error:
        earlier = times_killed(run.ledger, tree, run.target_digest)
        if earlier < FORGIVEN:
            raise
        raise CandidateFailed(
            f"{error.message} It is end number {earlier + 1} of this kind on this tree; {FORGIVEN} are forgiven, "
            "because a server can kill itself too.",
            "Find out what kills it (memory of the whole machine, another program, itself) and submit it again.",
            evidence=error.evidence,
        ) from error
