"""`vibeserve doctor`: what this machine has, what is missing, and how to mend it."""

import importlib.metadata
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from vibeserve.cli.output import console, json_option, print_json, teaching

NEEDED_DISK_GIB = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `needed` is False for what only some targets want."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
    needed: bool = True


@click.command("doctor")
@json_option
@teaching
def command(as_json: bool) -> None:
    """Check this machine; exit status 1 when something needed is missing."""
    findings = [*_system(), *_sandbox(), *_packages()]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            _show(finding)
    sys.exit(0 if all(finding.ok for finding in findings if finding.needed) else 1)


def _system() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", sys.version_info >= (3, 11), version, "Install Python 3.11 or newer.")
    yield Finding("sqlite", sqlite3.sqlite_version_info >= (3, 35), sqlite3.sqlite_version, "Needs 3.35 or newer.")
    git = shutil.which("git")
    yield Finding("git", git is not None, git or "not found", "Install git.")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("cores", cores >= 2, str(cores), "Measuring wants a core for the load and one for the server.")
    free_gib = shutil.disk_usage(Path.cwd()).free / 2**30
    yield Finding("disk", free_gib >= NEEDED_DISK_GIB, f"{free_gib:.0f} GiB free here", "Make room.")


def _sandbox() -> Iterator[Finding]:
    from vibeserve.lab.isolation import self_check

    for check in self_check():
        yield Finding(f"sandbox: {check.name}", check.ok, check.detail, check.fix)


def _packages() -> Iterator[Finding]:
    for name, extra in (("torch", "torch"), ("transformers", "torch")):
        fix = f"pip install 'vibeserve[{extra}]' (targets on CPU need it; the servers do not)"
        try:
            yield Finding(name, True, importlib.metadata.version(name), needed=False)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, False, "not installed", fix, needed=False)


def _show(finding: Finding) -> None:
    mark = (
        "[green]ok[/green]     "
        if finding.ok
        else "[red]missing[/red]"
        if finding.needed
        else "[yellow]absent[/yellow] "
    )
    console().print(f"{mark} {finding.name}: ", end="")
    console().print(finding.detail, markup=False)
    if not finding.ok and finding.fix:
        console().print(f"        {finding.fix}", markup=False, style="dim")
