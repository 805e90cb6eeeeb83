"""Verifying an exported folder with nothing but the folder: unmodified since export, and the evidence is there."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from vibeserve.core.errors import VibeServeError
from vibeserve.core.keys import signed_by
from vibeserve.core.target import digest_folder, read_target, target_files
from vibeserve.delivery.export.inventory import inventory
from vibeserve.delivery.export.manifest import (
    MANIFEST,
    PROVENANCE,
    PUBLIC_KEY,
    SERVER,
    SIGNATURE,
    TARGET,
    Manifest,
    listed,
    read_manifest,
    read_text,
)
from vibeserve.delivery.verify.checks import Check, checked
from vibeserve.delivery.verify.extract_checks import extract_checks
from vibeserve.lab.stand.inputs import DIGITS_OF_EACH
from vibeserve.lab.trees import Repository
from vibeserve.lab.trees.walk import IGNORED_DIRECTORIES


def is_export(folder: Path) -> bool:
    """Whether a folder looks like an export, whole or damaged."""
    return (folder / PROVENANCE).is_dir() and not (folder / "run.db").exists()


def verify_export(folder: Path) -> tuple[Manifest | None, list[Check]]:
    """The manifest, None when it cannot be read, and every check that could be made."""
    manifest, text = read_manifest(folder)
    if manifest is None:
        said = "is missing" if not text else "is no manifest of an export"
        return None, [checked("manifest", "provenance/manifest.json", [f"{MANIFEST} {said}"])]
    return manifest, [
        _signature(folder, manifest, text),
        _files(folder, manifest),
        _server(folder, manifest),
        _target(folder, manifest),
        *extract_checks(folder, manifest),
    ]


def _signature(folder: Path, manifest: Manifest, text: str) -> Check:
    """The signature of the manifest's own bytes, by the key that the folder names."""
    key = read_text(folder / PUBLIC_KEY).strip()
    problems = []
    if key != manifest.public_key:
        problems.append(f"{PUBLIC_KEY} is not the key that the manifest names")
    if not signed_by(manifest.public_key, text, read_text(folder / SIGNATURE).strip()):
        problems.append(f"{SIGNATURE} is not that key's signature of {MANIFEST}: one of the two was altered")
    return checked("signature", f"manifest signed with the key {manifest.public_key[:16]}…", problems)


def _files(folder: Path, manifest: Manifest) -> Check:
    found, wanted = listed(folder), manifest.files
    problems = [
        *(f"{path} is missing" for path in wanted if path not in found),
        *(f"{path} was altered" for path in wanted if path in found and found[path] != wanted[path]),
        *(f"{path} was added{_hint(path)}" for path in found if path not in wanted),
    ]
    return checked("files", f"{len(wanted)} files as they were exported", problems)


def _hint(path: str) -> str:
    """Caches are named too: an interpreter would run a poisoned one in place of the source."""
    return " (an interpreter's cache: remove it)" if "__pycache__" in path.split("/") else ""


def _server(folder: Path, manifest: Manifest) -> Check:
    """The tree of server/ as git computes it: names, modes and bytes."""
    problems = list(_beside_the_tree(folder / SERVER))
    with tempfile.TemporaryDirectory() as private:
        try:
            tree = Repository(Path(private, "verify.git")).snapshot(folder / SERVER)
            problems += [] if tree == manifest.tree else [f"server/ is tree {tree[:12]}"]
        except VibeServeError as error:
            problems.append(f"server/ cannot be read: {error.message}")
    return checked("server", f"server/ is tree {manifest.tree[:12]}", problems)


def _beside_the_tree(server: Path) -> Iterator[str]:
    """What no tree holds, though whoever signed may have listed it: the interpreter would run it all the same."""
    for path in inventory(server) if server.is_dir() else ():
        if IGNORED_DIRECTORIES & set(path.split("/")):
            yield f"server/{path} is no part of the tree, and an interpreter may run it in place of the source"


def _target(folder: Path, manifest: Manifest) -> Check:
    problems = list(_target_problems(folder / TARGET, manifest))
    return checked("target", f"{TARGET} has the digest {manifest.target_digest[:12]}…", problems)


def _target_problems(target: Path, manifest: Manifest) -> Iterator[str]:
    found = inventory(target) if target.is_dir() else {}
    if not found or any(item.kind != "file" for item in found.values()) or not all(map(_encodable, found)):
        yield f"{TARGET} is not a folder of plain files"
        return
    covered = {path.relative_to(target).as_posix() for path in target_files(target)}
    yield from (f"{TARGET}/{path} is no part of what the target digest covers" for path in found if path not in covered)
    if digest_folder(target)[:DIGITS_OF_EACH] != manifest.target_digest[:DIGITS_OF_EACH]:
        yield f"{TARGET} is not the target that the checkpoint was judged by"
    if manifest.model_digest[:DIGITS_OF_EACH] != manifest.target_digest[DIGITS_OF_EACH:]:
        yield "the model's digest is not part of the target digest"
    try:
        read_target(target).preset(manifest.preset)
    except VibeServeError as error:
        yield f"{TARGET} cannot be read: {error.message}"
    except RecursionError:
        yield f"{TARGET} cannot be read: it is nested too deeply"


def _encodable(path: str) -> bool:
    """Whether a name is text at all: any bytes can be one on disk."""
    return path == path.encode("utf-8", "replace").decode()
