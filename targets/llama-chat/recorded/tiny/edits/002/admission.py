"""When a waiting request may join: as a batch, when the batch before it is through."""


def admitted(waiting: int, running: int, slots: int) -> int:
    """How many of the waiting requests are taken in now."""
    return 0 if running else min(waiting, slots)
