"""What the memory tools return."""

from typing import Literal

from vibeserve.core.tools import Result

DirectionStatus = Literal["promising", "needs_debugging", "unsuitable", "proven", "disproven", "inconclusive"]


class SectionRow(Result):
    """A section in the outline."""

    section: str
    version: str
    size_bytes: int


class DirectionView(Result):
    """A direction as it stands: an idea, what it would do, and how far the evidence carries it."""

    direction: str
    name: str
    mechanism: str
    hypothesis: str
    status: DirectionStatus
    evidence: list[str]
    supersedes: str | None = None


class Memory(Result):
    """The memory, or a part of it. `text` is left out when only the outline fits; `version` is the section's."""

    section: str | None = None
    version: str | None = None
    text: str | None = None
    next_offset: int | None = None
    outline: list[SectionRow]
    directions: list[DirectionView] | None = None
    more_directions: int | None = None
    note: str | None = None


class EditedSection(Result):
    """A section after an edit; an empty `version` says that it was removed."""

    section: str
    version: str


class RecordedDirection(Result):
    """A recorded direction."""

    direction: str
    name: str
    status: DirectionStatus
