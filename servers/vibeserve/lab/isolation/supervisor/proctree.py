# ruff: noqa: PTH123, PTH208
"""Processes below a process, read from /proc."""

import os
import signal

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def descendants(pid: int) -> list[int]:
    """Pids of all processes below `pid`, orphans with them where a pid namespace keeps them below it."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = _children(waiting.pop())
        found += children
        waiting += children
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                children += map(int, file.read().split())
    except (FileNotFoundError, ProcessLookupError):
        pass  # it ended while we looked
    return children


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on; empty when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def cpu_s(pids: list[int]) -> float:
    """CPU seconds of these processes and of their children that were waited for."""
    return sum(sum(map(int, _stat(pid)[11:15])) for pid in pids) / _TICKS_PER_S


def memory_bytes(pids: list[int]) -> int:
    """Anonymous and shared memory of these processes; pages shared by several count for each."""
    return sum(_private_kib(pid) for pid in pids) * 1024


def _private_kib(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/status") as file:
            lines = [line.split() for line in file if line.startswith(("RssAnon:", "RssShmem:"))]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line[1]) for line in lines)


def stopped(pid: int) -> bool:
    """Whether a process that was sent SIGSTOP can no longer run its own code: stopped, in the kernel, or gone."""
    fields = _stat(pid)
    return not fields or fields[0] in "TtDZX"


def send(pids: list[int], number: signal.Signals) -> None:
    """Signal each process that still exists."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
