"""What judging needs to know of a local model snapshot, read without any model library."""

import json
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from vibeserve.core.errors import BadRequest


class ModelIds(BaseModel):
    """How many token ids there are, and which of them end an answer."""

    model_config = ConfigDict(frozen=True)

    vocabulary: int
    eos_ids: frozenset[int]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """From config.json, and from generation_config.json where it names ids that end an answer.

        Raises BadRequest when `folder` holds no readable model configuration.
        """
        config = _document(folder / "config.json")
        if not isinstance(config.get("vocab_size"), int):
            raise BadRequest(f"{folder / 'config.json'} names no vocab_size.", "Give a Hugging Face snapshot.")
        generation = folder / "generation_config.json"
        eos = _document(generation).get("eos_token_id") if generation.exists() else None
        eos = config.get("eos_token_id") if eos is None else eos
        ids = eos if isinstance(eos, list) else [] if eos is None else [eos]
        return cls(vocabulary=config["vocab_size"], eos_ids=frozenset(ids))


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadRequest(f"{path} cannot be read as JSON.", "Give a complete local model snapshot.") from error
    if not isinstance(document, dict):
        raise BadRequest(f"{path} is not a JSON object.", "Give a complete local model snapshot.")
    return document
