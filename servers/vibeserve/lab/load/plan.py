"""What to send and when: requests at intended times inside one window."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Request(BaseModel):
    """One POST of a JSON `body` to `path`, intended `at_s` seconds after the start of the window."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    at_s: Annotated[float, Field(ge=0)]
    path: Annotated[str, Field(pattern=r"^/")]
    body: dict[str, Any]


class Plan(BaseModel):
    """Requests of one window of `window_s` seconds; every request is intended before the window ends."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    requests: tuple[Request, ...]
    window_s: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _requests_fall_inside(self) -> Self:
        for index, request in enumerate(self.requests):
            if request.at_s >= self.window_s:
                raise ValueError(
                    f"requests[{index}].at_s is {request.at_s}, not before the end of the window ({self.window_s} s)"
                )
        return self
