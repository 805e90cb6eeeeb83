"""What a strict model refused, said for the one who wrote it."""

from collections.abc import Mapping
from typing import Any, TypeGuard

from pydantic import BaseModel, ValidationError


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Validation errors as one sentence: where, what, and which keys are allowed there."""
    return "; ".join(_explain_one(item, model) for item in error.errors(include_url=False, include_context=False)[:5])


def _explain_one(item: Mapping[str, Any], model: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in item["loc"]) or "the whole"
    if item["type"] == "extra_forbidden":
        allowed = ", ".join(_fields_at(model, tuple(item["loc"][:-1])))
        return f"{where} is unknown (allowed here: {allowed})"
    if item["type"] == "missing":
        return f"{where} is missing"
    message = str(item["msg"]).removeprefix("Value error, ")
    return f"{where}: {message[:1].lower()}{message[1:]}"


def _fields_at(model: type[BaseModel], location: tuple[object, ...]) -> list[str]:
    """The field names of the model that stands at `location` inside `model`."""
    current: Any = model
    for part in location:
        field = current.model_fields.get(str(part)) if _is_model(current) else None
        if field is not None:
            current = field.annotation
            nested = [argument for argument in getattr(current, "__args__", ()) if _is_model(argument)]
            current = nested[0] if nested else current
    return sorted(current.model_fields) if _is_model(current) else []


def _is_model(value: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(value, type) and issubclass(value, BaseModel)
