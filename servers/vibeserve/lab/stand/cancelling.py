"""A session that ends takes with it what runs on its stand."""

import contextlib
import threading
from collections.abc import Iterator

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.core.session import Session
from vibeserve.lab.isolation import Network

POLL_S = 0.1


def require_wanted(session: Session) -> None:
    """Raise InfrastructureFailed when the session was cancelled."""
    if session.cancelled.is_set():
        raise InfrastructureFailed("The session ended and this was cancelled; nothing of it counts.", "Call again.")


@contextlib.contextmanager
def closed_on_cancel(session: Session, network: Network) -> Iterator[None]:
    """Close the network as soon as the session is cancelled, so that waiting for health ends.

    What then breaks inside, in many ways, is raised as what it is: the InfrastructureFailed of `require_wanted`.
    """
    over = threading.Event()

    def watch() -> None:
        while not over.wait(POLL_S):
            if session.cancelled.is_set():
                network.close()
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    except Exception:
        require_wanted(session)
        raise
    finally:
        over.set()
        thread.join()
