"""What preparing a model gives, and where models are kept."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """A model's folder, and the SHA-256 over its relative file names and contents."""

    path: Path
    digest: str


def default_cache() -> Path:
    """Where built and fetched models are kept: ~/.cache/vibeserve/models, or under XDG_CACHE_HOME."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vibeserve" / "models"
