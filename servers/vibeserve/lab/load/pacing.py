"""Waking at intended times more precisely than the event loop's own timers, which wait whole milliseconds."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def paced(times: Sequence[float]) -> Iterator[list["asyncio.Future[None]"]]:
    """One future per time, done when `asyncio`'s clock (time.monotonic) reaches it.

    A thread sleeps in the kernel's high-resolution timer and wakes the loop; it ends with the context.
    """
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in times]
    stopping = threading.Event()
    order = sorted(range(len(times)), key=times.__getitem__)

    def release() -> None:
        for index in order:
            _sleep_until(times[index], stopping)
            if stopping.is_set():
                return
            loop.call_soon_threadsafe(_reach, futures[index])

    thread = threading.Thread(target=release, name="load-pacing", daemon=True)
    thread.start()
    try:
        yield futures
    finally:
        stopping.set()
        thread.join()


def _sleep_until(when: float, stopping: threading.Event) -> None:
    """Sleep to `when`; long waits end early when stopping."""
    while not stopping.is_set():
        rest = when - time.monotonic()
        if rest <= 0:
            return
        if rest > 0.05:
            stopping.wait(rest - 0.05)
        else:
            time.sleep(rest)


def _reach(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
