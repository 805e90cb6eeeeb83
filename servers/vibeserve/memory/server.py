"""The memory tools."""

from typing import Annotated

from pydantic import Field

from vibeserve.core.roles import PLANNERS, Role
from vibeserve.core.session import Session
from vibeserve.core.tools import Toolbox
from vibeserve.memory.results import DirectionStatus, EditedSection, Memory, RecordedDirection

READERS = (*PLANNERS, Role.IMPLEMENTER, Role.EVALUATOR)

box = Toolbox(
    "memory",
    "What this run has learned. read_memory gives it whole or, when it is long, an outline; the Orchestrator "
    "keeps it with edit_memory and records what became of ideas with record_direction.",
)


@box.tool("read", roles=READERS, read_only=True)
def read_memory(
    session: Session,
    section: Annotated[str | None, Field(description="One section, with the version to edit it.")] = None,
    query: Annotated[str | None, Field(description="Only lines (or directions) that hold this text.")] = None,
    directions: Annotated[bool, Field(description="The directions: ideas, status, evidence.")] = False,
    offset: Annotated[int, Field(description="next_offset of the page before.")] = 0,
) -> Memory:
    """The long-term memory: whole while it is short, else an outline to choose a section from."""
    from vibeserve.memory import reading

    return reading.read_memory(session, section, query, directions, offset)


@box.tool("edit", roles=PLANNERS, records=("memory.edited",))
def edit_memory(
    session: Session,
    section: Annotated[str, Field(description="The section's heading, at most 80 bytes.")],
    text: Annotated[str, Field(description="Its whole new text in markdown, at most 6000 bytes; empty removes it.")],
    version: Annotated[str, Field(description="The version you read with read_memory; empty for a new section.")] = "",
) -> EditedSection:
    """Replace one section of the memory, add one, or remove one."""
    from vibeserve.memory import editing

    return editing.edit_memory(session, section, text, version)


@box.tool("direction", roles=PLANNERS, records=("memory.direction",))
def record_direction(
    session: Session,
    name: Annotated[str, Field(description="The idea's name, at most 80 bytes.")],
    mechanism: Annotated[str, Field(description="How it would work, at most 600 bytes.")],
    hypothesis: Annotated[str, Field(description="What it should bring, at most 600 bytes.")],
    status: Annotated[
        DirectionStatus,
        Field(description="proven and disproven need a measurement; unsuitable more than failed gates."),
    ],
    evidence: Annotated[list[str], Field(description="Ids such as M1, V2, G3; at most 10.")] = [],  # noqa: B006
    supersedes: Annotated[str | None, Field(description="The direction, such as D1, that this replaces.")] = None,
) -> RecordedDirection:
    """Record what became of an idea, with the evidence."""
    from vibeserve.memory import directions

    return directions.record_direction(session, name, mechanism, hypothesis, status, evidence, supersedes)
