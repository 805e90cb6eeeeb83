"""Reading stored outputs in pages that fit a tool's result."""

from vibeserve.core.artifacts import PAGE_BYTES
from vibeserve.core.errors import BadRequest
from vibeserve.core.session import Session
from vibeserve.core.texts import fenced
from vibeserve.sandbox.outputs import size_bytes
from vibeserve.sandbox.results import ArtifactPage

RESULT_BYTES = 7000
MIN_PAGE_BYTES = 64


def read_artifact(session: Session, name: str, offset: int) -> ArtifactPage:
    """The page at `offset`; smaller where many bytes must be escaped."""
    if offset < 0:
        raise BadRequest(f"offset is {offset}.", "Send 0, or the next_offset of the page before.")
    page_bytes = PAGE_BYTES
    while True:
        page = session.run.artifacts.page(name, offset, page_bytes)
        if size_bytes(page.text) <= RESULT_BYTES or page_bytes <= MIN_PAGE_BYTES:
            return ArtifactPage(
                name=name,
                offset=offset,
                text=fenced(page.text),
                total_bytes=page.total_bytes,
                next_offset=page.next_offset,
            )
        page_bytes //= 2
