"""The client that plays recorded turns: the calls are recorded, everything they cause happens for real."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from vibeserve.core.errors import ServerKilled, VibeServeError
from vibeserve.core.run import Run
from vibeserve.core.tools import Tool
from vibeserve.gateway.build import all_tools
from vibeserve.lab.trees import settle
from vibeserve.sessions.connection import Connection
from vibeserve.sessions.recording import CallStep, RecordedTurn, Recording
from vibeserve.sessions.symbols import Symbols

OnCall = Callable[[str, dict[str, Any]], None]
OnRetry = Callable[[str], None]
MAX_RERUNS = 2


class Diverged(VibeServeError):
    """A call turned out otherwise than when it was recorded."""


class ReplayClient:
    """Plays the turns of a recording.

    An interrupted turn is taken up where it stopped: a call whose ledger record stands in this session is not
    made again.
    """

    name = "replay"

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._tools: dict[str, Tool] = {tool.name: tool for tool in all_tools()}

    def turns(self) -> list[RecordedTurn]:
        """The recorded turns, in order."""
        return self._recording.turns()

    async def play(
        self, run: Run, turn: RecordedTurn, session: str, connection: Connection, on_call: OnCall, on_retry: OnRetry
    ) -> int:
        """Play one turn and return how many calls it made."""
        symbols, calls = Symbols(run.ledger), 0
        already = Counter(record.kind for record in run.ledger.records(session=session))
        for step in turn.steps:
            if not isinstance(step, CallStep):
                settle(run)  # a reset that a killed process left to be done must not undo this edit
                self._recording.apply(step, run.layout.workspace)
                continue
            tool = self._tools[step.tool]
            if _consume(already, tool):
                continue
            result = await self._call(tool, step, symbols, connection, on_retry)
            symbols.learn(result)
            on_call(step.tool, result)
            calls += 1
        return calls

    async def _call(
        self, tool: Tool, step: CallStep, symbols: Symbols, connection: Connection, on_retry: OnRetry
    ) -> dict[str, Any]:
        """The result, which must be as recorded where the recording says so."""
        result = await _decided(tool, symbols.resolve(step.arguments), connection, on_retry)
        for field, expected in step.expect.items():
            if result.get(field) != expected:
                raise Diverged(
                    f"{tool.name} gave {field} {result.get(field)!r}; when recorded it was {expected!r}.",
                    "Look at it with `vibeserve show`; nothing is lost, and --resume goes on from here.",
                )
        return result


async def _decided(tool: Tool, arguments: dict[str, Any], connection: Connection, on_retry: OnRetry) -> dict[str, Any]:
    """The result of a call, which is made again while it decides nothing: a gate that is inconclusive, a kill."""
    for _ in range(MAX_RERUNS):
        try:
            result = await connection.call(tool.name, arguments, tool.long_running)
        except ServerKilled as error:
            on_retry(error.message)
            continue
        if "gate" not in result or result["outcome"] != "inconclusive":
            return result
        on_retry(f"{result['gate']} was inconclusive: {result['stages'][-1]['feedback']}")
    return await connection.call(tool.name, arguments, tool.long_running)


def _consume(already: Counter[str], tool: Tool) -> bool:
    """Whether an earlier part of this turn has made the call; takes its record off the count.

    An inconclusive gate is not an outcome: its call is made again.
    """
    for kind in tool.records:
        if already[kind] > 0 and kind != "gate.inconclusive":
            already[kind] -= 1
            return True
    return False
