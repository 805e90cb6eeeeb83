"""What a role's sandbox is: hardware, versions, mounts, limits, and what holds it together."""

import functools
import os
import platform
from importlib.metadata import PackageNotFoundError, version

from vibeserve.core.roles import IMPLEMENTERS, Role
from vibeserve.core.run import Run
from vibeserve.core.session import Session
from vibeserve.core.target import fill
from vibeserve.lab.isolation import Check, Limits, self_check
from vibeserve.lab.serving.launch import MODEL_AT, WORKSPACE_AT
from vibeserve.sandbox.commands import limits
from vibeserve.sandbox.places import PUBLIC, TARGET_AT
from vibeserve.sandbox.results import DEFAULT_PORT, CheckShown, Environment, LimitsShown, MountShown

LIBRARIES = ("torch", "transformers", "safetensors", "tokenizers", "numpy", "starlette", "uvicorn", "aiohttp")
WORK = {
    Role.JUDGE: "a read-only checkout of the latest candidate",
    Role.EVALUATOR: "a scratch copy of the latest candidate: changes end with this session",
}


def describe(session: Session) -> Environment:
    """The environment as this session's role has it."""
    run = session.run
    return Environment(
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        gpu="none",
        python=platform.python_version(),
        libraries=installed(),
        mounts=_mounts(session),
        limits=_limits(limits(run, 1)),
        network=f"loopback only, shared by this session's commands and services; default port {DEFAULT_PORT}",
        launch=_launch(run),
        isolation=[CheckShown(name=each.name, ok=each.ok, detail=each.detail[:200]) for each in _checks()],
    )


@functools.cache
def _checks() -> tuple[Check, ...]:
    """Tried once per process: it starts real sandboxes."""
    return self_check()


def installed() -> dict[str, str]:
    """Versions of the libraries that candidates use, as installed here."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _mounts(session: Session) -> list[MountShown]:
    what = WORK.get(session.role, "the workspace")
    writable = session.role in IMPLEMENTERS or session.role is Role.EVALUATOR
    public = [name for name in PUBLIC if (session.run.layout.target / name).exists()]
    return [
        MountShown(at=WORKSPACE_AT, what=what, writable=writable),
        MountShown(at=MODEL_AT, what=f"the model of preset {session.run.preset_name}", writable=False),
        *(MountShown(at=f"{TARGET_AT}/{name}", what="of the target", writable=False) for name in public),
        MountShown(at="/tmp", what="in memory, empty at each start", writable=True),  # noqa: S108
    ]


def _limits(bounds: Limits) -> LimitsShown:
    return LimitsShown(
        memory_gib=bounds.memory_bytes / 2**30,
        processes=bounds.processes,
        file_gib=bounds.file_bytes / 2**30,
        output_mib=bounds.output_max_bytes / 2**20,
    )


def _launch(run: Run) -> str:
    """How a candidate is started."""
    values = {"python": "python", "port": "PORT", "model": MODEL_AT, "dtype": run.preset.dtype}
    return " ".join(fill(run.target.launch.command, {**values, "target": WORKSPACE_AT}))
