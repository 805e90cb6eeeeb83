"""When a waiting request may join: as soon as a slot is free."""

# Prompts taken in before the running answers get their next token: bounds the stall that joining causes.
PER_STEP = 4


def admitted(waiting: int, running: int, slots: int) -> int:
    """How many of the waiting requests are taken in now."""
    return min(waiting, slots - running, PER_STEP)
