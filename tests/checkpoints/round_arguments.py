"""Arguments that tests of rounds share."""

from collections.abc import Callable
from typing import Any

CONTRACT: dict[str, Any] = {"hypothesis": "Batching doubles tokens/s.", "criteria": ["ratio above 1.5"]}
DISCARD = {"decision": "discard", "hypothesis": "untested", "issue_status": "reopen", "reason": "why not"}
PROMOTE = {"decision": "promote", "hypothesis": "supported", "issue_status": "done", "reason": "it holds"}

Call = Callable[..., dict[str, Any]]
Submit = Callable[..., dict[str, Any]]
