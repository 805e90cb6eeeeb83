"""The CLI twin of every tool, from the same declaration: `vibeserve <server> <verb> --run RUN …`."""

import json
import signal
import types
import typing
from enum import Enum
from typing import Any, Literal

import click
from pydantic.fields import FieldInfo

from vibeserve.cli.output import console, find_run, json_option, print_json, teaching
from vibeserve.core.artifacts import printable
from vibeserve.core.roles import Role
from vibeserve.core.session import Session
from vibeserve.core.tools import Tool
from vibeserve.gateway.build import toolbox
from vibeserve.gateway.standalone import open_session

HELD = frozenset({"start_service"})
"""Tools whose effect belongs to the session: their twin keeps it until it is interrupted."""


WAITING = frozenset({"wait_s", "job"})
"""Arguments that a twin does without: it waits to the end, since the job lives in its own process."""


def group(server: str) -> click.Group:
    """The command group of one server."""
    box = toolbox(server)
    made = click.Group(server, help=box.instructions, short_help=f"The tools of the {server} server.")
    for tool in box.tools:
        made.add_command(twin(tool))
    return made


def twin(tool: Tool) -> click.Command:
    """The command of one tool: required arguments are positional, the others options."""
    role = click.Choice([role.value for role in Role])
    parameters: list[click.Parameter] = [
        *(_parameter(name, field) for name, field in _fields(tool)),
        click.Option(["--run"], default="latest", show_default=True, help="Run directory, id, or latest."),
        click.Option(["--role"], type=role, default="human", show_default=True, help="The role you act in."),
    ]
    text = f"{tool.description}\n\nThe tool {tool.name}, for: {', '.join(sorted(tool.roles))}."
    made = click.Command(tool.verb, params=parameters, callback=_callback(tool), help=text)
    return json_option(made)


def _fields(tool: Tool) -> list[tuple[str, FieldInfo]]:
    fields = tool.arguments.model_fields.items()
    return [(name, field) for name, field in fields if not (tool.long_running and name in WAITING)]


def _callback(tool: Tool) -> Any:
    @teaching
    def call(run: str, role: str, as_json: bool, **values: Any) -> None:
        given = {name: _given(value) for name, value in values.items() if value not in (None, ())}
        session = open_session(find_run(run), Role(role))
        try:
            result = call_to_the_end(tool, session, given)
            print_json(result) if as_json else _show(result)
            if tool.name in HELD:
                click.echo("It runs as long as this command: end it with Ctrl-C.", err=True)
                signal.pause()
        finally:
            session.close()

    return call


def call_to_the_end(tool: Tool, session: Session, given: dict[str, Any]) -> dict[str, Any]:
    """The finished result: this process owns the job, and the job would end with it."""
    result = tool.call(session, given, _progress)
    while result.get("status") == "running" and "job" in result:
        result = tool.call(session, given | {"job": result["job"]}, _progress)
    return result


def _parameter(name: str, field: FieldInfo) -> click.Parameter:
    kind, many = _click_type(field.annotation)
    if field.is_required() and not many:
        return click.Argument([name], type=kind)
    flag = f"--{name.replace('_', '-')}"
    if kind is click.BOOL:
        return click.Option([flag + "/--no-" + flag[2:], name], default=None, help=field.description)
    text = f"{field.description or ''}{' May be repeated.' if many else ''}".strip()
    return click.Option([flag, name], type=kind, multiple=many, required=field.is_required(), help=text)


def _click_type(annotation: Any) -> tuple[click.ParamType[Any], bool]:
    """The click type of an annotation, and whether it may be given several times."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _click_type(next(item for item in arguments if item is not type(None)))
    if origin in (list, tuple):
        return _click_type(arguments[0])[0], True
    if origin is Literal:
        return click.Choice([str(item) for item in arguments]), False
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return click.Choice([str(item.value) for item in annotation]), False
    known: dict[Any, click.ParamType[Any]] = {bool: click.BOOL, int: click.INT, float: click.FLOAT}
    return known.get(annotation, click.STRING), False


def _given(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _progress(seconds: float, message: str) -> None:
    click.echo(f"{seconds:5.0f} s  {message}", err=True)


def _show(result: dict[str, Any]) -> None:
    """A result for people: one line a field, longer texts below their name."""
    for name, value in result.items():
        if isinstance(value, str) and "\n" in value:
            click.echo(f"{name}:\n{printable(value)}")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            click.echo(f"{name}:")
            for row in value:
                click.echo("  " + json.dumps(row, ensure_ascii=False))
        else:
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            console().print(f"{name}: {printable(shown)}", markup=False)
