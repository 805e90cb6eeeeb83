"""An attacker's work: an export altered and signed again with a key of the attacker's own, records and all."""

import json
from collections.abc import Callable
from pathlib import Path

from vibeserve.core.keys import RunKey
from vibeserve.core.ledger import GENESIS, canonical, record_hash
from vibeserve.delivery.export.manifest import LEDGER, MANIFEST, PUBLIC_KEY, SERVER, listed, read_manifest, seal
from vibeserve.lab.trees import Repository


def signed_again(folder: Path, key_folder: Path, edit: Callable[[dict], None] = lambda record: None) -> None:
    """Sign everything in an altered export again; `edit` may change each record (a dict, in place) before that."""
    key = RunKey.create(key_folder / "attacker.key")
    manifest, _ = read_manifest(folder)
    tree = Repository(key_folder / "attacker.git").snapshot(folder / SERVER)
    lines = [json.loads(line) for line in (folder / LEDGER).read_text().splitlines()]
    (folder / LEDGER).write_text("".join(_resigned(lines, key, manifest.tree, tree, edit)))
    (folder / PUBLIC_KEY).write_text(key.public_hex + "\n")
    for name in ("figures.json", "README.md"):
        (folder / name).write_text((folder / name).read_text().replace(manifest.tree, tree))
    changed = {"tree": tree, "public_key": key.public_hex, "files": listed(folder)}
    (folder / MANIFEST).unlink()
    seal(folder, manifest.model_copy(update=changed), key)


def _resigned(lines: list[dict], key: RunKey, tree: str, new_tree: str, edit: Callable[[dict], None]) -> list[str]:
    hashes = {GENESIS: GENESIS}
    written = []
    for line in lines:
        record = json.loads(json.dumps(line).replace(tree, new_tree))
        if record["kind"] == "run.created":
            record["body"]["public_key"] = key.public_hex
        edit(record)
        record["prev"] = hashes.get(line["prev"], line["prev"])
        names = ("seq", "at", "actor", "kind", "subject", "body", "prev")
        fields = [canonical(record[name]) if name in ("actor", "body") else record[name] for name in names]
        record["hash"] = hashes[line["hash"]] = record_hash(*fields)
        record["signature"] = key.sign(record["hash"])
        written.append(canonical(record) + "\n")
    return written
