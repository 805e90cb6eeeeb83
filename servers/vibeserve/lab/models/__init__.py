"""Models on this machine: built by a target's own command, fetched by id, or given as a folder."""

from vibeserve.lab.models.digest import folder_digest
from vibeserve.lab.models.fetch import fetch_model
from vibeserve.lab.models.prepare import prepare_model
from vibeserve.lab.models.prepared import PreparedModel, default_cache

__all__ = ["PreparedModel", "default_cache", "fetch_model", "folder_digest", "prepare_model"]
