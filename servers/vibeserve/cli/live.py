"""The live view of a run: one line for each thing done, one moving line for what goes on now."""

import time
from textwrap import shorten
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.status import Status

from vibeserve.cli.output import console
from vibeserve.core.artifacts import printable
from vibeserve.sessions.driver import Event

NOTE_CHARACTERS = 170


class LiveView:
    """Shows driver events. On a terminal the last line moves; elsewhere each new stage gets a line."""

    def __init__(self) -> None:
        self._console: Console = console()
        self._status: Status | None = self._console.status("starting") if self._console.is_terminal else None
        self._last_message = ""
        self._begun = time.monotonic()

    def __enter__(self) -> "LiveView":
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._status:
            self._status.stop()

    def show(self, event: Event) -> None:
        """Show one event."""
        if event.kind == "turn":
            self._line(f"[bold]{event.turn}[/bold] {event.role}")
        elif event.kind == "call" and event.result is not None:
            self._line(f"    {event.text}: ", _outcome(event.text, event.result))
        elif event.kind == "retry":
            self._line("    [yellow]once more:[/yellow] ", event.text)
        elif event.kind == "note":
            self._console.print(event.text, markup=False)
        elif event.kind == "progress":
            self._progress(event)

    def _line(self, marked: str, data: str = "") -> None:
        elapsed = time.monotonic() - self._begun
        self._console.print(f"[dim]{elapsed:6.1f} s[/dim]  {marked}", end="")
        self._console.print(shorten(printable(data), NOTE_CHARACTERS, placeholder=" …"), markup=False)

    def _progress(self, event: Event) -> None:
        if self._status:
            self._status.update(f"{event.role}: {event.text}")
        elif event.text != self._last_message:
            self._line("      [dim]…[/dim] ", event.text)
        self._last_message = event.text


def _outcome(tool: str, result: dict[str, Any]) -> str:
    """What a call came to, in a few words."""
    if tool == "run_gate":
        stages = result.get("stages", [])
        last = stages[-1] if stages else {}
        detail = "" if result["outcome"] == "passed" else f" at {last.get('name')}: {last.get('feedback', '')}"
        return f"{result['gate']} {result['outcome']}{detail}"
    if tool == "measure":
        return _measured(result)
    wanted = (
        "issue",
        "round",
        "candidate",
        "attempt",
        "verdict_id",
        "verdict",
        "evaluation",
        "direction",
        "decision",
    )
    named = [str(result[key]) for key in (*wanted, "status", "title") if isinstance(result.get(key), str | int)]
    return " ".join(named) or "done"


def _measured(result: dict[str, Any]) -> str:
    change = f"{result['against_value']:.4g} → {result['value']:.4g} {result['unit']}"
    low, high = result["ci95"]
    interval = f"{result['ratio']:.2f}× [{low:.2f}, {high:.2f}]"
    also = "".join(f"; {one['name']} {one['ratio']:.2f}×: {one['outcome']}" for one in result["also"] if one["ratio"])
    return f"{result['measurement']} {change}, {interval} the {result['against']}: {result['outcome']}{also}"
