"""One declaration per tool, for MCP, its CLI twin and the schema snapshot.

A tool is a typed function whose first parameter is the `Session`; the others carry their meaning and limits
in `Annotated[..., Field(description=...)]`, because some clients drop every other part of a schema.
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from vibeserve.core import jobs
from vibeserve.core.errors import BadRequest, Refused
from vibeserve.core.explaining import explain
from vibeserve.core.roles import EVERYONE, Role
from vibeserve.core.session import Session

DEFAULT_WAIT_S = 40.0
MAX_WAIT_S = 600.0


class Result(BaseModel):
    """What a tool returns: the same as text and as structured content. Fields that are None are left out."""

    model_config = ConfigDict(frozen=True)


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


WaitS = Annotated[float, Field(description="Seconds to wait before answering {status: running, job}. At most 600.")]
JobId = Annotated[
    str | None,
    Field(description="The job of an earlier call that was still running: waits on it, starts nothing."),
]


@dataclass(frozen=True)
class Tool:
    """A declared tool.

    `verb` names the CLI twin (`vibeserve <server> <verb>`); `records` are the ledger kinds a successful call
    appends, by which a resumed turn knows that the call happened.
    """

    server: str
    name: str
    verb: str
    roles: frozenset[Role]
    read_only: bool
    long_running: bool
    records: tuple[str, ...]
    function: Callable[..., Result]

    @property
    def description(self) -> str:
        """What the model reads: the function's docstring."""
        return inspect.cleandoc(self.function.__doc__ or "")

    @cached_property
    def arguments(self) -> type[BaseModel]:
        """The arguments as a strict model."""
        fields: dict[str, Any] = {}
        parameters = list(inspect.signature(self.function, eval_str=True).parameters.values())[1:]
        for parameter in parameters:
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            fields[parameter.name] = (parameter.annotation, default)
        if self.long_running:
            fields |= {"wait_s": (WaitS, DEFAULT_WAIT_S), "job": (JobId, None)}
        return create_model(f"{self.name}_arguments", __base__=_Arguments, **fields)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments, without the titles that only cost tokens."""
        schema: dict[str, Any] = _without_titles(self.arguments.model_json_schema())
        return schema

    def allows(self, role: Role) -> bool:
        """Whether a role may call this tool."""
        return role in self.roles

    def call(self, session: Session, arguments: dict[str, Any], on_wait: jobs.OnWait = jobs.no_wait) -> dict[str, Any]:
        """Validate, call, and return the structured content. Raises the errors of `core.errors` only.

        `on_wait(elapsed_s, message)` is called about every second while a long-running tool works.
        """
        if not self.allows(session.role):
            allowed = ", ".join(sorted(self.roles))
            raise Refused(f"{self.name} is not for the role {session.role}.", f"It belongs to: {allowed}.")
        values = self._validated(arguments)
        if not self.long_running:
            return self.function(session, **values).model_dump(mode="json", exclude_none=True)
        wait_s, job_id = min(values.pop("wait_s"), MAX_WAIT_S), values.pop("job")
        if job_id is None:
            job_id = jobs.start(
                session,
                self.name,
                lambda inner: self.function(inner, **values).model_dump(mode="json", exclude_none=True),
            )
        return jobs.wait(session, job_id, self.name, wait_s, on_wait)

    def _validated(self, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            model = self.arguments.model_validate(arguments)
        except ValidationError as error:
            raise BadRequest(
                f"{self.name} was called with wrong arguments: {explain(error, self.arguments)}.",
                f"Its arguments are: {self.signature}.",
            ) from error
        return {name: getattr(model, name) for name in self.arguments.model_fields}

    @property
    def signature(self) -> str:
        """The arguments in one line; optional ones end in a question mark."""
        fields = self.arguments.model_fields.items()
        return ", ".join(name if field.is_required() else f"{name}?" for name, field in fields) or "none"


class Toolbox:
    """The tools of one server, in the order of their declaration."""

    def __init__(self, server: str, instructions: str) -> None:
        self.server = server
        self.instructions = instructions
        self.tools: list[Tool] = []

    def tool(
        self,
        verb: str,
        *,
        roles: Iterable[Role] = EVERYONE,
        read_only: bool = False,
        long_running: bool = False,
        records: tuple[str, ...] = (),
    ) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
        """Declare the decorated function as a tool under its own name."""

        def declare(function: Callable[..., Result]) -> Callable[..., Result]:
            tool = Tool(
                self.server,
                function.__name__,
                verb,
                frozenset(roles),
                read_only,
                long_running,
                records,
                function,
            )
            self.tools.append(tool)
            return function

        return declare

    def for_role(self, role: Role) -> list[Tool]:
        """The tools that a role may call."""
        return [tool for tool in self.tools if tool.allows(role)]


def _without_titles(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: _without_titles(value)
            for key, value in schema.items()
            if not (key == "title" and isinstance(value, str))
        }
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    return schema
