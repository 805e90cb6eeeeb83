"""What each role is served: its tools, how much they cost a model, and that nothing changes unnoticed."""

import json
from pathlib import Path

import pytest
from fastmcp import Client

from vibeserve.core.roles import Role
from vibeserve.gateway.build import SERVERS, all_tools, build, toolbox

SNAPSHOT = Path(__file__).parent / "schemas.json"
MOST_BYTES_PER_ROLE = 16 * 1024
AGENTS = [role for role in Role if role is not Role.HUMAN]


def published() -> dict[str, dict[str, object]]:
    """Everything that a client reads of each tool, and who is served it."""
    return {
        tool.name: {
            "server": tool.server,
            "verb": tool.verb,
            "roles": sorted(tool.roles),
            "read_only": tool.read_only,
            "description": tool.description,
            "schema": tool.schema,
        }
        for tool in all_tools()
    }


def test_schemas_are_as_published() -> None:
    """A change of any tool's face shows in review. To accept it: run this file as a script."""
    assert json.loads(SNAPSHOT.read_text()) == published()


@pytest.mark.parametrize("role", AGENTS)
def test_a_role_costs_a_model_little(role: Role) -> None:
    tools = [tool for tool in all_tools() if tool.allows(role)]
    served = [{"name": tool.name, "description": tool.description, "inputSchema": tool.schema} for tool in tools]
    assert len(json.dumps(served)) <= MOST_BYTES_PER_ROLE


def test_names_and_verbs_are_unique() -> None:
    names = [tool.name for tool in all_tools()]
    assert len(names) == len(set(names))
    for server in SERVERS:
        verbs = [tool.verb for tool in toolbox(server).tools]
        assert len(verbs) == len(set(verbs)), server


def test_every_tool_of_the_design_is_there() -> None:
    assert {tool.name for tool in all_tools()} >= {
        *("list_issues", "show_issue", "file_issue", "update_issue"),
        *("read_memory", "edit_memory", "record_direction"),
        *("open_round", "show_round", "submit_candidate", "diff_candidate", "list_checkpoints", "close_round"),
        *("run_command", "start_service", "service_logs", "stop_service", "read_artifact", "describe_environment"),
        *("run_gate", "show_gate", "submit_verdict", "measure", "submit_evaluation", "trend"),
    }


FORBIDDEN = {
    Role.ORCHESTRATOR: ("submit_candidate", "run_gate", "submit_verdict", "measure", "run_command"),
    Role.IMPLEMENTER: ("run_gate", "submit_verdict", "measure", "open_round", "close_round", "edit_memory"),
    Role.JUDGE: ("submit_candidate", "measure", "open_round", "close_round", "edit_memory"),
    Role.EVALUATOR: ("submit_candidate", "run_gate", "submit_verdict", "open_round", "close_round", "edit_memory"),
}


@pytest.mark.parametrize("role", AGENTS)
async def test_a_role_is_not_served_what_is_not_its_own(role: Role, session) -> None:
    async with Client(build(session(role))) as client:
        served = {tool.name for tool in await client.list_tools()}
        assert served == {tool.name for tool in all_tools() if tool.allows(role)}
        assert not served & set(FORBIDDEN[role])
        for name in FORBIDDEN[role]:
            result = await client.call_tool(name, {}, raise_on_error=False)
            assert result.is_error, name


async def test_reads_are_marked(session) -> None:
    async with Client(build(session(Role.HUMAN))) as client:
        marked = {
            tool.name for tool in await client.list_tools() if tool.annotations and tool.annotations.read_only_hint
        }
    assert marked == {tool.name for tool in all_tools() if tool.read_only}
    assert {"list_issues", "show_round", "read_memory"} <= marked


def test_mutating_tools_say_what_they_record() -> None:
    """By these kinds a resumed turn knows which calls were made."""
    unrecorded = {"run_command", "start_service", "stop_service"}
    for tool in all_tools():
        assert bool(tool.records) == (not tool.read_only and tool.name not in unrecorded), tool.name


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(published(), indent=1, sort_keys=True) + "\n")
