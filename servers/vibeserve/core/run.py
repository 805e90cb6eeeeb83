"""One run: its directory opened, with database, ledger, artifacts and target."""

import contextlib
import secrets
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from vibeserve.core.artifacts import Artifacts
from vibeserve.core.database import Database
from vibeserve.core.errors import BadRequest, InfrastructureFailed, NotFound
from vibeserve.core.folders import remove_folder
from vibeserve.core.keys import RunKey
from vibeserve.core.layout import Layout
from vibeserve.core.ledger import MIGRATIONS, Ledger, Record
from vibeserve.core.processes import is_alive, own_identity
from vibeserve.core.roles import Actor, system_actor
from vibeserve.core.target import Launch, Preset, Target, digest_folder, read_target, require_scripts, target_files

MEMORY_START = "# Memory\n\nWhat this run has learned, by section. Kept by the Orchestrator.\n"


@dataclass(frozen=True, slots=True)
class Transaction:
    """An open write transaction of a run: domain tables and the ledger change together or not at all."""

    connection: sqlite3.Connection
    ledger: Ledger

    def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Execute one statement inside the transaction."""
        return self.connection.execute(sql, parameters)

    def append(self, actor: Actor, kind: str, subject: str, body: dict[str, Any]) -> Record:
        """Append a ledger record inside the transaction."""
        return self.ledger.append(self.connection, actor, kind, subject, body)


class Run:
    """A run directory that exists. Use `open_run` or `create_run`."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.key = RunKey(layout.key)
        self.database = Database(layout.database)
        self.ledger = Ledger(self.database, self.key, layout.head)
        self.artifacts = Artifacts(layout.artifacts)
        self.database.migrate("ledger", MIGRATIONS)

    @contextlib.contextmanager
    def tx(self) -> Iterator[Transaction]:
        """One BEGIN IMMEDIATE transaction over all tables and the ledger; publishes the new head after it.

        A head that cannot be published (a full disk) may lag behind: what is committed stands all the same.
        """
        with self.database.tx() as connection:
            yield Transaction(connection, self.ledger)
        with contextlib.suppress(OSError):
            self.ledger.publish_head()

    @cached_property
    def created(self) -> Record:
        """The `run.created` record: what this run was made from."""
        record = self.ledger.last("run.created")
        if record is None:
            raise InfrastructureFailed(
                f"The run {self.layout.root.name} was never completely created.",
                "Make a new one with `vibeserve new TARGET`; this folder can be kept or removed by hand.",
            )
        return record

    @property
    def id(self) -> str:
        """The run's id, which is its folder's name at creation."""
        return str(self.created.body["run"])

    @cached_property
    def target(self) -> Target:
        """The target as snapshotted."""
        return read_target(self.layout.target)

    @property
    def target_digest(self) -> str:
        """The digest of the target's snapshot and the model: part of every piece of evidence."""
        return str(self.created.body["target_digest"])

    @property
    def preset_name(self) -> str:
        """The name of the run's preset."""
        return str(self.created.body["preset"])

    @property
    def preset(self) -> Preset:
        """The run's preset of the target."""
        return self.target.preset(self.preset_name)

    @property
    def launch(self) -> Launch:
        """The launch contract, with what the run's preset replaces in it."""
        replaced = self.preset.model_dump(include={"memory_gib", "boot_timeout_s"}, exclude_none=True)
        return self.target.launch.model_copy(update=replaced)

    def timeout_s(self, declared_s: float) -> float:
        """The time limit of a judge's command: the preset's where it has one, else as declared."""
        return self.preset.timeout_s or declared_s

    @property
    def pairs(self) -> int:
        """How many pairs of windows a measurement times in this preset."""
        return self.preset.pairs or self.target.benchmark.pairs

    @property
    def model(self) -> Path:
        """The model's folder on this machine; InfrastructureFailed when it is gone."""
        path = Path(str(self.created.body["model"]))
        if not path.is_dir():
            raise InfrastructureFailed(
                f"The model folder of this run, {path}, is gone.",
                "Put it back (`vibeserve model fetch TARGET` or the preset's build), then call again.",
            )
        return path

    def scratch(self, label: str) -> Path:
        """A new empty folder for one job of this process; the job removes it."""
        folder = self.layout.scratch / f"{own_identity()}-{label}-{secrets.token_hex(4)}"
        folder.mkdir(parents=True)
        return folder

    def clear_scratch(self) -> None:
        """Remove the scratch folders of processes that died."""
        for folder in self.layout.scratch.iterdir():
            if not is_alive(folder.name.partition("-")[0]):
                remove_folder(folder)


def create_run(
    folder: Path,
    preset: str,
    model: Path,
    model_digest: str,
    root: Path,
    *,
    settings: dict[str, Any] | None = None,
) -> Run:
    """Make a run directory at `root` (must not exist) for the target in `folder`."""
    require_scripts(folder, read_target(folder), preset)
    if root.exists():
        raise BadRequest(f"{root} exists already.", "Name another run directory, or resume that run.")
    root = root.resolve()
    draft = root.with_name(f".{root.name}.{secrets.token_hex(4)}.draft")
    try:
        _fill(Layout(draft), root.name, folder, preset, model, model_digest, settings or {})
        draft.rename(root)
    except BaseException:
        remove_folder(draft)
        raise
    return open_run(root)


def _fill(
    layout: Layout,
    name: str,
    folder: Path,
    preset: str,
    model: Path,
    model_digest: str,
    settings: dict[str, Any],
) -> None:
    """Everything a new run holds. It gets its name only when it is whole."""
    layout.root.mkdir(parents=True, mode=0o700)
    for path in (layout.workspace, layout.artifacts, layout.scratch):
        path.mkdir()
    _snapshot_target(folder, layout.target)
    if (layout.target / "start").is_dir():
        shutil.copytree(layout.target / "start", layout.workspace, dirs_exist_ok=True)
        _make_writable(layout.workspace)
    layout.memory.write_text(MEMORY_START)
    key = RunKey.create(layout.key)
    run = Run(layout)
    body = {
        "run": name,
        "target": run.target.name,
        "target_digest": f"{digest_folder(layout.target)[:32]}{model_digest[:32]}",
        "preset": preset,
        "model": str(model.resolve()),
        "model_digest": model_digest,
        "public_key": key.public_hex,
        "settings": settings,
    }
    with run.tx() as tx:
        tx.append(system_actor(), "run.created", name, body)
    run.database.close()


def open_run(root: Path) -> Run:
    """Open an existing run directory."""
    layout = Layout(root.resolve())
    if not layout.database.is_file():
        if layout.head.exists() or layout.key.exists():
            raise InfrastructureFailed(
                f"The run {root} has lost its database run.db.",
                "Put it back from a copy; the rest of the run is there.",
            )
        raise NotFound(
            f"{root} is not a run directory.",
            "List runs with `vibeserve status --all`, or make one with `vibeserve new`.",
        )
    return Run(layout)


def new_run_id(target: str) -> str:
    """A readable id that no other run has: time, target and four random hex digits."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{target}-{secrets.token_hex(2)}"


def _make_writable(folder: Path) -> None:
    """What was copied from the target's snapshot is read-only; the workspace is there to be edited."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode | stat.S_IWUSR)


def _snapshot_target(folder: Path, snapshot: Path) -> None:
    """Copy the target's files and take away write permission."""
    for source in target_files(folder):
        copy = snapshot / source.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        copy.chmod(0o555 if source.stat().st_mode & stat.S_IXUSR else 0o444)
    for directory in [snapshot, *(path for path in snapshot.rglob("*") if path.is_dir())]:
        directory.chmod(0o555)
