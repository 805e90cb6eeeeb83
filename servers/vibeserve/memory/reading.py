"""Reading the memory: whole while it is short, else as an outline, by section or by what it says."""

from vibeserve.core.errors import NotFound
from vibeserve.core.session import Session
from vibeserve.core.texts import excerpt
from vibeserve.memory.directions import current_directions
from vibeserve.memory.document import Document, read
from vibeserve.memory.results import DirectionView, Memory, SectionRow
from vibeserve.memory.sections import Section, find

PAGE_BYTES = 6000
WHOLE_BYTES = 7000
"""Above this the whole memory does not fit a result beside its outline."""
OUTLINE_ROWS = 30
SHOWN_DIRECTIONS = 8
LINE_BYTES = 220
FOUND_PER_SECTION = 3


def read_memory(session: Session, section: str | None, query: str | None, directions: bool, offset: int) -> Memory:
    """The memory or what was asked of it."""
    document = read(session.run)
    if directions:
        return _directions(session, document, query)
    if section is not None:
        return _section(document, section, offset)
    if query is not None:
        return _search(document, query)
    whole = Memory(text=document.text.strip(), outline=_rows(document))
    if len(whole.model_dump_json().encode()) <= WHOLE_BYTES:
        return whole
    size = len(document.text.encode())
    return _outline(document, f"The memory has {size} bytes: read it by section or by query.")


def _section(document: Document, name: str, offset: int) -> Memory:
    found = find(document.sections, name)
    if found is None:
        known = excerpt(", ".join(item.name for item in document.sections), 500) or "none yet"
        raise NotFound(f"There is no section {name[:60]!a}.", f"There are: {known}.")
    data = found.text.encode()
    page = data[max(0, offset) : max(0, offset) + PAGE_BYTES].decode("utf-8", "ignore")
    end = max(0, offset) + len(page.encode())
    return Memory(
        section=found.name,
        version=found.version,
        text=page,
        next_offset=end if end < len(data) else None,
        outline=[],
    )


def _search(document: Document, query: str) -> Memory:
    """The lines that hold the query, whatever its case, under their sections."""
    blocks = [block for item in document.sections if (block := _matches(item, query.casefold()))]
    text = "\n\n".join(blocks)
    return Memory(
        text=excerpt(text, PAGE_BYTES) if blocks else None,
        outline=[],
        note=None if blocks else f"No section holds {query[:60]!a}.",
    )


def _matches(section: Section, wanted: str) -> str:
    lines = [line.strip() for line in section.text.splitlines() if wanted in line.casefold()]
    if not lines and wanted not in section.name.casefold():
        return ""
    shown = [excerpt(line, LINE_BYTES) for line in lines[:FOUND_PER_SECTION]]
    more = [f"(and {len(lines) - FOUND_PER_SECTION} more lines)"] if len(lines) > FOUND_PER_SECTION else []
    return "\n".join([f"## {section.name} (version {section.version})", *shown, *more])


def _directions(session: Session, document: Document, query: str | None) -> Memory:
    """The directions that stand, newest first, those that mention the query."""
    wanted = (query or "").casefold()
    standing = [
        item
        for item in current_directions(session.run.ledger)
        if wanted in f"{item.name} {item.mechanism} {item.hypothesis} {item.status}".casefold()
    ]
    shown = [_shortened(item) for item in reversed(standing[-SHOWN_DIRECTIONS:])]
    hidden = len(standing) - len(shown)
    return Memory(outline=[], directions=shown, more_directions=hidden or None)


def _shortened(item: DirectionView) -> DirectionView:
    return item.model_copy(
        update={
            "mechanism": excerpt(item.mechanism, LINE_BYTES),
            "hypothesis": excerpt(item.hypothesis, LINE_BYTES),
        }
    )


def _outline(document: Document, note: str) -> Memory:
    hidden = len(document.sections) - OUTLINE_ROWS
    more = f" {hidden} more sections are found by query." if hidden > 0 else ""
    return Memory(outline=_rows(document), note=note + more)


def _rows(document: Document) -> list[SectionRow]:
    return [
        SectionRow(section=excerpt(item.name, 100), version=item.version, size_bytes=len(item.text.encode()))
        for item in document.sections[:OUTLINE_ROWS]
    ]
