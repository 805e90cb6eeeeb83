"""A server, or the sandbox around it, killed with SIGKILL from outside: told apart from a server that fails."""

import os
import signal
import threading
from typing import Any

import psutil
import pytest

from vibeserve.core.errors import CandidateFailed, InfrastructureFailed, ServerKilled
from vibeserve.lab.isolation import Limits

HONEST = "from served import serve; print('serving', flush=True); serve(8000)"


def server(service: Any) -> int:
    """The server's own process: the last in the chain of the sandbox."""
    return int(service.process.pids()[-1])


def test_a_killed_server_is_noticed_though_its_supervisor_is_slow(launched: Any) -> None:
    service = launched(HONEST)
    supervisor = psutil.Process(service.process._supervisor.pid)
    supervisor.suspend()
    os.kill(server(service), signal.SIGKILL)
    assert service.process.wait(0.3) is None, "its supervisor has said nothing yet"
    threading.Timer(0.3, supervisor.resume).start()
    with pytest.raises(ServerKilled, match="killed \\(SIGKILL\\)") as failure:
        service.require_alive()
    assert "serving" in failure.value.evidence


def test_a_frozen_server_can_be_killed_too(launched: Any) -> None:
    service = launched(HONEST)
    service.freeze()
    os.kill(server(service), signal.SIGKILL)
    service.thaw()
    service.process.wait(10)
    with pytest.raises(ServerKilled):
        service.require_alive()
    service.freeze()
    assert service.stop().killed


def test_a_server_that_is_killed_before_it_is_healthy(launched: Any) -> None:
    with pytest.raises(ServerKilled, match="before it was healthy"):
        launched("import os; print('trying', flush=True); os.kill(os.getpid(), 9)")


@pytest.mark.parametrize("status", [1, 9, 134])
def test_another_end_is_the_servers_own(launched: Any, status: int) -> None:
    with pytest.raises(CandidateFailed, match=f"exit status {status}"):
        launched(f"raise SystemExit({status})")


def test_a_server_over_its_memory_was_not_killed_from_outside(launched: Any) -> None:
    with pytest.raises(CandidateFailed, match="more memory"):
        launched("held = []\nwhile True: held.append(bytearray(1 << 20))", limits=Limits(memory_bytes=1 << 28))


@pytest.mark.parametrize("what", ["sandbox", "supervisor"])
def test_a_killed_sandbox_is_no_death_of_the_server(launched: Any, what: str) -> None:
    service = launched(HONEST)
    pids = service.process.pids()
    os.kill(service.process.pid if what == "sandbox" else service.process._supervisor.pid, signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(InfrastructureFailed) as failure:
            service.process.wait(10)
            service.require_alive()
        assert not isinstance(failure.value, ServerKilled)
    assert service.stop().status == "cancelled"
    assert not any(psutil.pid_exists(pid) for pid in pids)
