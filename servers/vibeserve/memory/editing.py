"""Editing one section of the memory."""

from vibeserve.core.errors import BadRequest
from vibeserve.core.session import Session
from vibeserve.core.texts import require_text
from vibeserve.memory.document import edit
from vibeserve.memory.results import EditedSection
from vibeserve.memory.sections import HEADING

NAME_BYTES = 80
TEXT_BYTES = 6000


def edit_memory(session: Session, section: str, text: str, version: str) -> EditedSection:
    """Replace, add (version "") or remove (text "") a section."""
    name = require_text("section", " ".join(section.split()), NAME_BYTES)
    body = require_text("text", text, TEXT_BYTES, may_be_empty=True).replace("\r\n", "\n")
    if HEADING.search(body):
        raise BadRequest(
            "text holds a heading of the level of sections.", "Use ### inside a section, or edit each by itself."
        )
    if not body and not version:
        raise BadRequest("There is neither a text nor a section to remove.", "Give a text.")
    return EditedSection(section=name, version=edit(session, name, body, version))
