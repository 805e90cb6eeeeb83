"""A run with an open issue, and the short way to a round and a candidate."""

from collections.abc import Callable
from typing import Any

import pytest
from round_arguments import CONTRACT, Call, Submit

from vibeserve.checkpoints.server import box
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.core.tools import Tool
from vibeserve.issues.server import box as issues_box

TOOLS: dict[str, Tool] = {tool.name: tool for tool in [*box.tools, *issues_box.tools]}


@pytest.fixture
def call(session: Callable[..., Session]) -> Call:
    """Calls a tool as a role: `call("judge", "diff_candidate", candidate="C1")`."""

    def make(role: str, tool: str, /, **arguments: Any) -> dict[str, Any]:
        return TOOLS[tool].call(session(role), arguments)

    return make


@pytest.fixture
def issue(call: Call) -> str:
    """An open issue."""
    return str(call("orchestrator", "file_issue", kind="perf", title="Batch requests")["issue"])


@pytest.fixture
def opened(call: Call, issue: str) -> dict[str, Any]:
    """An open round on the issue, from the reference."""
    return call("orchestrator", "open_round", issue=issue, **CONTRACT)


@pytest.fixture
def submit(call: Call, run: Run) -> Submit:
    """Edits the workspace and submits it: `submit(serve="text")` writes serve.py."""

    def make(note: str = "", **files: str) -> dict[str, Any]:
        for name, text in files.items():
            (run.layout.workspace / f"{name}.py").write_text(text)
        return call("implementer", "submit_candidate", note=note)

    return make
