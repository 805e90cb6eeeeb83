"""The issues tools as roles call them."""

from collections.abc import Callable
from typing import Any

import pytest

from vibeserve.core.session import Session
from vibeserve.issues.server import box

TOOLS = {tool.name: tool for tool in box.tools}
Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(session: Callable[..., Session]) -> Call:
    """Calls a tool as a role: `call("judge", "show_issue", issue="I1")`; `turn` names the session."""

    def make(role: str, tool: str, /, turn: str = "", **arguments: Any) -> dict[str, Any]:
        return TOOLS[tool].call(session(role, turn), arguments)

    return make


@pytest.fixture
def file(call: Call) -> Call:
    """Files an issue as the Orchestrator: `file("Batch requests", kind="perf")`."""

    def make(title: str, **arguments: Any) -> dict[str, Any]:
        return call("orchestrator", "file_issue", **({"kind": "perf", "title": title} | arguments))

    return make


@pytest.fixture
def proof(session: Callable[..., Session]) -> str:
    """The id of a gate that passed, of some round."""
    judge = session("judge")
    with judge.run.tx() as tx:
        judge.append(tx, "gate.passed", "tree", {"gate": "G1", "round": "R100"})
    return "G1"
