"""Checking the ledger extract of an export: hashes, signatures, links, and the evidence behind the promotion."""

import json
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from vibeserve.core.errors import VibeServeError
from vibeserve.core.evidence import evidence_on
from vibeserve.core.keys import signed_by
from vibeserve.core.ledger import GENESIS, Ledger, Record, canonical, record_hash
from vibeserve.core.target import read_target
from vibeserve.delivery.assurance import weakest_assurance
from vibeserve.delivery.export.figures import figures_of
from vibeserve.delivery.export.manifest import FIGURES, LEDGER, TARGET, Manifest, read_text
from vibeserve.delivery.export.provenance import as_ledger, from_line
from vibeserve.delivery.lineage import promotions_up_to
from vibeserve.delivery.verify.checks import Check, checked
from vibeserve.lab.stand.systems import REFERENCE

LEDGER_LIMIT_BYTES = 256 * 2**20
NO_SUCH_RECORDS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
RELATIVE_TOLERANCE = 1e-9  # logarithms differ in the last digit between machines


def extract_checks(folder: Path, manifest: Manifest) -> list[Check]:
    """The checks of `provenance/ledger.jsonl`, and of the figures that were drawn from it."""
    records, unreadable = _read(folder / LEDGER)
    ledger = checked(
        "ledger", f"{len(records)} records with their hashes and signatures", [*unreadable, *_broken(records, manifest)]
    )
    if not ledger.ok:
        why = "the ledger extract is broken, so nothing can be read from it"
        return [ledger, *(checked(name, "", [why]) for name in ("promotion", "figures"))]
    return [ledger, *_evidence_checks(folder, manifest, records)]


def _evidence_checks(folder: Path, manifest: Manifest, records: list[Record]) -> list[Check]:
    """What the records say, read as a ledger. Whoever signs again with a key of their own may write anything."""
    try:
        with as_ledger(records) as ledger:
            line = promotions_up_to(ledger, manifest.tree)
            promotion = f"promotions with gate, verdict and measurement on their trees: {len(line)}"
            return [
                checked("promotion", promotion, _unproven(ledger, line, manifest)),
                checked("figures", f"{FIGURES} says what the records say", _misquoted(folder, ledger, line)),
            ]
    except (*NO_SUCH_RECORDS, VibeServeError) as error:
        return [checked("promotion", "", [f"the records are not such as VibeServe writes ({type(error).__name__})"])]


def _read(path: Path) -> tuple[list[Record], list[str]]:
    """The records that can be read, and which lines cannot."""
    records, problems = [], []
    for number, line in enumerate(read_text(path, LEDGER_LIMIT_BYTES).splitlines(), start=1):
        try:
            records.append(from_line(line))
        except (ValueError, RecursionError):
            problems.append(f"line {number} of {LEDGER} is no record")
    return records, problems


def _broken(records: Sequence[Record], manifest: Manifest) -> Iterator[str]:
    if not records:
        yield f"{LEDGER} is missing or empty"
    for record in records:
        problem = _record_problem(record, manifest.public_key)
        if problem:
            yield f"record {record.seq} ({record.kind}): {problem}"
    for earlier, later in pairwise(records):
        if later.seq <= earlier.seq:
            yield f"record {later.seq} stands after record {earlier.seq}"
        elif later.seq == earlier.seq + 1 and later.prev != earlier.hash:
            yield f"record {later.seq} does not follow record {earlier.seq}: its link is broken"
    if records and (records[-1].seq > manifest.records or (records[0].seq == 1 and records[0].prev != GENESIS)):
        yield "the records are not those of the ledger that the manifest names"


def _record_problem(record: Record, public_key: str) -> str:
    try:
        actor, body = canonical(record.actor.to_json()), canonical(record.body)
    except (ValueError, RecursionError):
        return "it holds what no record can hold"
    digest = record_hash(record.seq, record.at, actor, record.kind, record.subject, body, record.prev)
    if digest != record.hash:
        return "its content does not match its hash"
    return "" if signed_by(public_key, digest, record.signature) else "its signature is not by the key of the run"


def _unproven(ledger: Ledger, line: Sequence[Record], manifest: Manifest) -> Iterator[str]:
    """What the records do not show of what the manifest says."""
    created = ledger.last("run.created")
    said = {name: getattr(manifest, name) for name in ("run", "preset", "target_digest", "model_digest", "public_key")}
    if created is None:
        yield "the record that the run was created is not in the extract"
    else:
        differing = [name for name, value in said.items() if created.body.get(name) != value]
        yield from (f"the run was created with another {name} than the manifest names" for name in differing)
    if manifest.assurance != weakest_assurance(ledger) == "cooperative":
        yield f"the manifest says {manifest.assurance}, and records of the extract were made cooperatively"
    if not line:
        yield f"tree {manifest.tree[:12]} was never promoted"
        return
    if (line[-1].body["round"], line[-1].body["candidate"]) != (manifest.round, manifest.candidate):
        yield f"tree {manifest.tree[:12]} was promoted as another candidate than the manifest names"
    if line[0].body["parent"] != REFERENCE:
        yield f"tree {line[0].subject[:12]} stands on a checkpoint whose promotion is not in the extract"
    for promoted in line:
        yield from _lacking(ledger, promoted, manifest)
    if not evidence_on(ledger, manifest.tree, manifest.target_digest).gate_passed:
        yield f"tree {manifest.tree[:12]} failed a gate after its promotion"


def _lacking(ledger: Ledger, promoted: Record, manifest: Manifest) -> Iterator[str]:
    name = f"tree {promoted.subject[:12]} of {promoted.body['round']}"
    if promoted.body["target_digest"] != manifest.target_digest:
        yield f"{name} was promoted under another target digest"
    evidence = evidence_on(ledger, promoted.subject, manifest.target_digest, before=promoted.seq)
    missing = evidence.missing_for_promotion()
    if missing:
        yield f"{name} was promoted without {' and '.join(missing)}"


def _misquoted(folder: Path, ledger: Ledger, line: Sequence[Record]) -> Iterator[str]:
    """Figures that differ from what the measurements in the extract come to."""
    if not line:
        yield "there is no promotion to draw figures from"
        return
    try:
        written = json.loads(read_text(folder / FIGURES))
        recorded = figures_of(ledger, line[-1], read_target(folder / TARGET)).model_dump(mode="json")
    except (ValueError, RecursionError, VibeServeError):
        yield f"{FIGURES}, the measurements or the target cannot be read"
        return
    names = sorted(recorded.keys() | (written.keys() if isinstance(written, dict) else set()))
    for name in names:
        if not isinstance(written, dict) or not _alike(written.get(name), recorded.get(name)):
            yield f"{name} in {FIGURES} is not what the records come to"


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=RELATIVE_TOLERANCE)
    return bool(one == other)
