"""The target's reference in place of the candidate: tells whether the candidate is to blame."""

from collections.abc import Iterator
from contextlib import contextmanager

from vibeserve.accuracy.stand import Stand
from vibeserve.lab.isolation import Network
from vibeserve.lab.serving import Service
from vibeserve.lab.stand.cancelling import closed_on_cancel
from vibeserve.lab.stand.systems import REFERENCE, beyond_blame, start_system


@contextmanager
def reference_as_control(stand: Stand, dtype: str) -> Iterator[tuple[Service, Network]]:
    """The running reference on a loopback of its own. Its failure is InfrastructureFailed: nobody is judged by it."""
    log = stand.scratch / "control.log"
    with Network() as network, closed_on_cancel(stand.session, network), beyond_blame("The reference, as a control,"):
        service = start_system(
            stand.run, REFERENCE, stand.run.layout.target, dtype=dtype, network=network, log_path=log
        )
        try:
            yield service, network
            service.require_alive()
        finally:
            service.stop()
