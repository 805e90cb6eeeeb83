"""What a client gets back: equal text and structure, errors in our words."""

import json
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from vibeserve.core.roles import Role
from vibeserve.gateway.build import SERVERS, build, toolbox

ISSUE = {"kind": "perf", "title": "Batch requests", "body": "Serve them together."}


async def test_text_and_structure_say_the_same(session) -> None:
    async with Client(build(session(Role.ORCHESTRATOR))) as client:
        result = await client.call_tool("file_issue", ISSUE)
    assert json.loads(result.content[0].text) == result.structured_content
    assert result.structured_content["issue"] == "I1"


async def test_unknown_arguments_are_named_with_those_there_are(session) -> None:
    async with Client(build(session(Role.ORCHESTRATOR))) as client:
        result = await client.call_tool("file_issue", {**ISSUE, "tittle": "x"}, raise_on_error=False)
    assert result.is_error
    error = result.structured_content
    assert error["error"] == "BadRequest"
    assert "tittle is unknown" in error["message"]
    assert "title" in error["next_step"]


async def test_errors_carry_no_library_address_and_no_traceback(session) -> None:
    async with Client(build(session(Role.ORCHESTRATOR))) as client:
        for arguments in ({}, {"kind": "nonsense", "title": 3, "body": None}):
            result = await client.call_tool("file_issue", arguments, raise_on_error=False)
            text = result.content[0].text
            assert result.is_error
            assert "http" not in text
            assert "Traceback" not in text


async def test_a_refusal_names_the_next_step(session) -> None:
    async with Client(build(session(Role.ORCHESTRATOR))) as client:
        result = await client.call_tool("show_issue", {"issue": "I99"}, raise_on_error=False)
    assert result.structured_content["error"] == "NotFound"
    assert result.structured_content["next_step"]


async def test_each_server_runs_alone_over_stdio(run) -> None:
    for server in SERVERS:
        command = f"from vibeserve.gateway.standalone import {server}; {server}()"
        arguments = ["-I", "-c", command, "--run", str(run.layout.root), "--role", "human"]
        async with Client(StdioTransport(sys.executable, arguments, keep_alive=False)) as client:
            served = {tool.name for tool in await client.list_tools()}
        assert served == {tool.name for tool in toolbox(server).for_role(Role.HUMAN)}
