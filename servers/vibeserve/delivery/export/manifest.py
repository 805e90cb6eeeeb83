"""The manifest of an export: what it is, every file with its hash, and one signature over all of it."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from vibeserve.core.keys import RunKey
from vibeserve.core.roles import Assurance
from vibeserve.delivery.export.inventory import Item, inventory, read_plain

SERVER = "server"
PROVENANCE = "provenance"
TARGET = f"{PROVENANCE}/target"
LEDGER = f"{PROVENANCE}/ledger.jsonl"
PUBLIC_KEY = f"{PROVENANCE}/public_key"
MANIFEST = f"{PROVENANCE}/manifest.json"
SIGNATURE = f"{PROVENANCE}/manifest.sig"
FIGURES = "figures.json"
MANIFEST_LIMIT_BYTES = 16 * 2**20

STATEMENT = (
    "The holder of the run's key states that this folder is the named checkpoint of the named run as it was exported, "
    "and that the extract holds every record of the run about that checkpoint, its ancestors and their rounds."
)


class Manifest(BaseModel):
    """What the key of the run signs. `files` holds every file but the manifest and its signature.

    `records` of the run's ledger stood when it was exported, the newest with the hash `head`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    statement: str
    vibeserve: str
    exported_at: str
    run: str
    target: str
    preset: str
    candidate: str
    round: str
    tree: str
    target_digest: str
    model_digest: str
    assurance: Assurance
    public_key: str
    records: int
    head: str
    files: dict[str, Item]

    def text(self) -> str:
        """The one text of it: that is what the file holds and what is signed, byte for byte."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def seal(folder: Path, manifest: Manifest, key: RunKey) -> None:
    """Write the manifest and its signature; nothing in the folder may change after that."""
    text = manifest.text()
    (folder / MANIFEST).write_text(text)
    (folder / SIGNATURE).write_text(key.sign(text) + "\n")


def listed(folder: Path) -> dict[str, Item]:
    """What a manifest lists of a folder."""
    return {path: item for path, item in inventory(folder).items() if path not in (MANIFEST, SIGNATURE)}


def read_manifest(folder: Path) -> tuple[Manifest | None, str]:
    """The manifest, None when it cannot be one; and its text as it stands."""
    text = read_text(folder / MANIFEST, MANIFEST_LIMIT_BYTES)
    try:
        return Manifest.model_validate_json(text), text
    except ValidationError:
        return None, text


def read_text(path: Path, limit_bytes: int = MANIFEST_LIMIT_BYTES) -> str:
    """The text of a plain file; empty for anything else, bytes that are no UTF-8 replaced."""
    return (read_plain(path, limit_bytes) or b"").decode("utf-8", "replace")
