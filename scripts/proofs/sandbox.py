"""What a sandbox costs, and that nothing of it stays behind."""

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from proofs.report import Report
from vibeserve.lab import isolation
from vibeserve.lab.isolation import Job, Network

PAIRS = 40
CYCLES = 100
SERVICE = ("sleep", "61.375")  # a number to recognize it by


def prove(report: Report) -> None:
    """Overhead: paired with a plain subprocess, medians. Leftovers: counted before and after many cycles."""
    plain, sandboxed = _paired_times()
    report.line(
        f"A sandboxed `true` takes {statistics.median(sandboxed) * 1000:.0f} ms, a plain one "
        f"{statistics.median(plain) * 1000:.1f} ms (medians of {PAIRS} interleaved pairs)."
    )
    before = _footprint()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(CYCLES):
            _cycle(Path(folder) / f"{number}.log")
    after = _footprint()
    report.line("", f"{CYCLES} times: a network, a service in it, frozen, thawed, stopped. Left behind:")
    report.table(("what", "before", "after"), [(name, before[name], after[name]) for name in before])
    assert all(after[name] <= before[name] for name in before), (before, after)


def _paired_times() -> tuple[list[float], list[float]]:
    plain, sandboxed = [], []
    for _ in range(PAIRS):
        begun = time.perf_counter()
        subprocess.run(["true"], check=True, timeout=10)
        plain.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        assert isolation.run(Job(("true",))).ok
        sandboxed.append(time.perf_counter() - begun)
    return plain, sandboxed


def _cycle(log: Path) -> None:
    with Network() as network:
        process = isolation.start(Job(SERVICE), network=network, log_path=log)
        process.freeze()
        process.thaw()
        process.stop(grace_s=0)


def _footprint() -> dict[str, int]:
    """What could be left of this process's sandboxes."""
    return {
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "supervisors": _processes(f"main({os.getpid()})"),
        "services": _processes(SERVICE[1]),
        "mounts": len(Path("/proc/self/mounts").read_text().splitlines()),
        "control groups of dead supervisors": _stale_groups(),
    }


def _stale_groups() -> int:
    groups = Path("/sys/fs/cgroup").rglob("vibeserve-*")
    return sum(not Path(f"/proc/{group.name.rpartition('-')[2]}").exists() for group in groups)


def _processes(mark: str) -> int:
    """How many processes have `mark` in their command line."""
    return sum(mark in " ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))
