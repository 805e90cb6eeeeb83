"""Twins of tools: the same declaration, waited on to the end."""

from collections.abc import Callable

from vibeserve.cli.twins import call_to_the_end, twin
from vibeserve.core.session import Session
from vibeserve.gateway.build import all_tools, toolbox

RUN_COMMAND = next(tool for tool in toolbox("sandbox").tools if tool.name == "run_command")


def test_a_twin_waits_for_its_job_to_the_end(session: Callable[..., Session]) -> None:
    """The job lives in the twin's own process: it must not leave before the job is done."""
    result = call_to_the_end(RUN_COMMAND, session("human"), {"command": "sleep 1; echo done", "wait_s": 0.1})
    assert "done" in result["stdout"]


def test_no_twin_offers_what_only_a_waiting_client_needs() -> None:
    for tool in all_tools():
        names = {parameter.name for parameter in twin(tool).params}
        assert not names & {"wait_s", "job"}, tool.name
        assert names >= set(tool.arguments.model_fields) - {"wait_s", "job"}, tool.name
