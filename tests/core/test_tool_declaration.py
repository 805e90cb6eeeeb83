"""One declaration per tool: strict arguments, roles, small schemas, errors in sentences."""

from collections.abc import Callable
from typing import Annotated, Literal

import pytest
from pydantic import Field

from vibeserve.core import errors
from vibeserve.core.errors import BadRequest, CandidateFailed, Refused, VibeServeError
from vibeserve.core.roles import JUDGES, Role
from vibeserve.core.session import Session
from vibeserve.core.tools import Result, Toolbox

Sessions = Callable[..., Session]
box = Toolbox("greeting", "Greets.")


class Greeting(Result):
    """A greeting."""

    text: str
    role: str
    colour: str | None = None


@box.tool("greet", roles=JUDGES, read_only=True)
def greet(
    session: Session,
    name: Annotated[str, Field(description="Whom to greet.")],
    tone: Annotated[Literal["warm", "cold"], Field(description="How.")] = "warm",
    times: Annotated[list[int], Field(description="How often.")] = [],  # noqa: B006
) -> Greeting:
    """Greet somebody.

    In one of two tones.
    """
    times.append(1)
    return Greeting(text=f"{tone} {name} {len(times)}", role=session.role)


def test_a_tool_is_its_function() -> None:
    tool = box.tools[0]
    assert (tool.name, tool.verb, tool.server, tool.read_only) == ("greet", "greet", "greeting", True)
    assert tool.description == "Greet somebody.\n\nIn one of two tones."
    assert tool.signature == "name, tone?, times?"


def test_the_schema_carries_descriptions_and_no_titles() -> None:
    schema = box.tools[0].schema
    assert schema["properties"]["name"] == {"description": "Whom to greet.", "type": "string"}
    assert schema["required"] == ["name"]
    assert schema["additionalProperties"] is False
    assert '"title"' not in str(schema)


def test_a_call_answers_with_structured_content(session: Sessions) -> None:
    """Without fields that are None; a default list is fresh for every call."""
    for _ in range(2):
        assert box.tools[0].call(session("judge"), {"name": "you"}) == {"text": "warm you 1", "role": "judge"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "name is missing"),
        ({"name": "x", "volume": 3}, "volume is unknown (allowed here: name, times, tone)"),
        ({"name": "x", "tone": "hot"}, "tone: input should be 'warm' or 'cold'"),
        ({"name": 3}, "name: input should be a valid string"),
    ],
)
def test_wrong_arguments_are_told_in_a_sentence(session: Sessions, arguments: dict[str, object], told: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        box.tools[0].call(session("judge"), arguments)
    assert told in refusal.value.message
    assert "name, tone?, times?" in refusal.value.next_step
    assert "pydantic" not in str(refusal.value)


def test_a_role_sees_and_calls_only_its_own(session: Sessions) -> None:
    assert [tool.name for tool in box.for_role(Role.JUDGE)] == ["greet"]
    assert box.for_role(Role.IMPLEMENTER) == []
    with pytest.raises(Refused, match="not for the role implementer") as refusal:
        box.tools[0].call(session("implementer"), {"name": "x"})
    assert refusal.value.next_step == "It belongs to: human, judge."


def test_every_error_is_in_the_one_tree() -> None:
    made = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, VibeServeError)]
    assert {item.__name__ for item in made} == {
        "VibeServeError",
        "BadRequest",
        "Refused",
        "NotFound",
        "Conflict",
        "BudgetSpent",
        "CandidateFailed",
        "InfrastructureFailed",
        "DiskFull",
        "ServerKilled",
    }
    error = CandidateFailed("It crashed.", "Look at the log.", "segmentation fault")
    assert (error.kind, str(error), error.evidence) == (
        "CandidateFailed",
        "It crashed. Look at the log.",
        "segmentation fault",
    )
