"""Symbolic references of recorded turns: `$candidate` for an id, `${measurement.ratio}` inside a text.

`$KIND` is the newest of its kind in the run's ledger, `$KIND_2` the second one ever; `$version` is the version that
the turn last read. `$hypothesis` and `$finding` are what the newest measurement against the parent says of a hypothesis
or a direction that promises a gain; `$hypothesis.also.0` is what its first secondary figure says. Numbers inside texts
are shortened to three significant digits. Every figure and conclusion that a replay states is therefore its own.
"""

import re
from typing import Any

from vibeserve.core.errors import BadRequest
from vibeserve.core.ledger import Ledger, Record
from vibeserve.core.roles import Role

KINDS: dict[str, tuple[tuple[str, ...], str]] = {
    "issue": (("issue.filed",), "issue"),
    "round": (("round.opened",), "round"),
    "candidate": (("candidate.submitted",), "candidate"),
    "gate": (("gate.passed", "gate.failed", "gate.inconclusive"), "gate"),
    "verdict": (("verdict.given",), "verdict_id"),
    "measurement": (("measurement.recorded",), "measurement"),
    "evaluation": (("evaluation.given",), "evaluation"),
    "direction": (("memory.direction",), "direction"),
    "checkpoint": (("checkpoint.promoted",), "tree"),
}
"""Symbol → the ledger kinds it counts, and the field of their body that holds the id."""

CONCLUSIONS = {
    "$hypothesis": {"better": "supported", "worse": "refuted", "inconclusive": "inconclusive"},
    "$finding": {"better": "proven", "worse": "disproven", "inconclusive": "inconclusive"},
}

_CONCLUSION = re.compile(r"^(\$hypothesis|\$finding)(?:\.also\.(\d+))?$")
_WHOLE = re.compile(r"^\$([a-z]+)(?:_(\d+))?$")
_INSIDE = re.compile(r"\$\{([a-z]+)(?:_(\d+))?((?:\.\w+)*)\}")


class Symbols:
    """Resolves and introduces symbolic references for one turn."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._version: Any = None

    def learn(self, result: dict[str, Any]) -> None:
        """Remember the version that a tool has just returned."""
        self._version = result.get("version", self._version)

    def resolve(self, value: Any) -> Any:
        """`value` with every reference replaced by what it stands for in this run."""
        if isinstance(value, dict):
            return {key: self.resolve(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        return self._resolved_text(value) if isinstance(value, str) else value

    def _resolved_text(self, value: str) -> Any:
        if value == "$version":
            return self._version
        conclusion = _CONCLUSION.match(value)
        if conclusion:
            return CONCLUSIONS[conclusion[1]][self._outcome(conclusion[2])]
        whole = _WHOLE.match(value)
        if whole and whole[1] in KINDS:
            return self._record(whole[1], whole[2]).body[KINDS[whole[1]][1]]
        return _INSIDE.sub(lambda found: self._field(found[1], found[2], found[3]), value)

    def _outcome(self, secondary: str | None) -> str:
        """What the newest measurement against the parent says, or one of its secondary figures."""
        body = self._against_parent().body
        found = body if secondary is None else body["also"][int(secondary)]
        return str(found["outcome"] or "inconclusive")  # a figure that is missing says nothing

    def _against_parent(self) -> Record:
        """The newest measurement against the parent: a round's hypothesis is about what it adds."""
        found = [record for record in self._records("measurement") if record.body["against"] == "parent"]
        if not found:
            raise BadRequest("Nothing was measured against its parent yet.", "Measure first.")
        return found[-1]

    def introduce(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """`arguments` with the run's ids replaced by references: undoes `resolve` for whole values."""
        return {key: self._introduced(key, value) for key, value in arguments.items()}

    def _introduced(self, key: str, value: Any) -> Any:
        if isinstance(value, list):
            return [self._introduced("", item) for item in value]
        if key == "version" and value == self._version:
            return "$version"
        if not isinstance(value, str):
            return value
        for symbol, (_, field) in KINDS.items():
            ids = [record.body.get(field) for record in self._records(symbol)]
            if ids and value == ids[-1]:
                return f"${symbol}"
            if value in ids:
                return f"${symbol}_{ids.index(value) + 1}"
        return value

    def _records(self, symbol: str) -> list[Record]:
        """What the roles recorded. What a person or a report adds between two turns must not shift their numbers."""
        return [record for record in self._ledger.records(KINDS[symbol][0]) if record.actor.role is not Role.HUMAN]

    def _record(self, symbol: str, number: str | None) -> Record:
        if symbol not in KINDS:
            raise BadRequest(f"${symbol} is no symbolic reference.", f"Use one of: {', '.join(KINDS)}.")
        records = self._records(symbol)
        index = int(number) - 1 if number else len(records) - 1
        if not 0 <= index < len(records):
            raise BadRequest(f"${symbol} refers to nothing yet.", "Record the turns in the order they were played.")
        return records[index]

    def _field(self, symbol: str, number: str | None, path: str) -> str:
        record = self._record(symbol, number)
        value: Any = record.body if path else record.body[KINDS[symbol][1]]
        for name in filter(None, path.split(".")):
            value = value[int(name)] if isinstance(value, list) else value[name]
        return f"{value:.3g}" if isinstance(value, float) else str(value)
