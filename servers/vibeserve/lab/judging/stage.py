"""The outcome of one stage of the gate."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["passed", "failed", "inconclusive", "not_applicable"]


class Stage(BaseModel):
    """Measured numbers beside their thresholds.

    `feedback` helps an honest implementer and reveals no hidden prompt, seed or expected answer;
    `evidence` is for the record and may hold more. `killed`: the server died by SIGKILL with no visible author.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    status: Status
    measured: dict[str, float | int | str] = {}
    threshold: dict[str, float | int | str] = {}
    feedback: str = ""
    evidence: str = ""
    killed: bool = Field(default=False, exclude=True)

    @property
    def passed(self) -> bool:
        """Whether the gate may go on."""
        return self.status in ("passed", "not_applicable")
