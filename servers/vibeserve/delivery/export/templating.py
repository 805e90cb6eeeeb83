"""The files of an export that are written from a template with `{{name}}` places."""

import re
from collections.abc import Mapping
from importlib.resources import files

_PLACE = re.compile(r"\{\{(\w+)\}\}")


def template(name: str) -> str:
    """The text of a template of this package."""
    return files("vibeserve.delivery.export").joinpath("templates", name).read_text(encoding="utf-8")


def filled(name: str, values: Mapping[str, str]) -> str:
    """A template with every place filled; what stands in a value is never taken for a place."""
    return _PLACE.sub(lambda match: values[match[1]], template(name))
