"""Markdown cut into its `## ` sections, so that joining them again gives the same text."""

import hashlib
import re
from dataclasses import dataclass

VERSION_DIGITS = 12
HEADING = re.compile(r"^(?=## )", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Section:
    """One section. `raw` is all of it as it stands in the file, its heading line included."""

    name: str
    raw: str

    @property
    def text(self) -> str:
        """What stands below the heading, without blank ends."""
        return (self.raw.partition("\n")[2] if self.name else self.raw).strip()

    @property
    def version(self) -> str:
        """The version of the text: the first 12 hex digits of its SHA-256."""
        return version_of(self.text)


def version_of(text: str) -> str:
    """The version of a section's text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:VERSION_DIGITS]


def split(document: str) -> list[Section]:
    """The sections in order. The first one, without a name, is what stands above the first heading.

    A name that comes again is numbered, so that each names one section.
    """
    preamble, *blocks = HEADING.split(document)
    sections = [Section("", preamble)]
    taken: dict[str, int] = {}
    for block in blocks:
        name = block.partition("\n")[0].removeprefix("## ").strip()
        taken[name] = taken.get(name, 0) + 1
        sections.append(Section(name if taken[name] == 1 else f"{name} ({taken[name]})", block))
    return sections


def find(sections: list[Section], name: str) -> Section | None:
    """The section called `name`, whatever its case."""
    wanted = name.strip().casefold()
    return next((section for section in sections if section.name and section.name.casefold() == wanted), None)


def with_section(document: str, name: str, text: str) -> str:
    """The document with that section's text replaced, the section added at the end, or removed by empty text."""
    sections = split(document)
    current = find(sections, name)
    if current is None:
        start = document.rstrip("\n")
        return f"{start}\n\n## {name}\n\n{text}\n" if start else f"## {name}\n\n{text}\n"
    heading = current.raw.partition("\n")[0].rstrip("\r")
    replaced = f"{heading}\n\n{text}\n\n" if text else ""
    joined = "".join(replaced if section is current else section.raw for section in sections)
    return joined.rstrip("\n") + "\n"
