"""The memory tools as roles call them."""

from collections.abc import Callable
from typing import Any

import pytest

from vibeserve.core.session import Session
from vibeserve.memory.server import box

TOOLS = {tool.name: tool for tool in box.tools}
Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(session: Callable[..., Session]) -> Call:
    """Calls a tool as a role: `call("orchestrator", "read_memory")`."""

    def make(role: str, tool: str, /, **arguments: Any) -> dict[str, Any]:
        return TOOLS[tool].call(session(role), arguments)

    return make


@pytest.fixture
def edit(call: Call) -> Call:
    """Edits a section as the Orchestrator."""
    return lambda section, text, version="": call(
        "orchestrator", "edit_memory", section=section, text=text, version=version
    )
