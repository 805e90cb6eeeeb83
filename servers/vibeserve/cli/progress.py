"""What goes on now, on standard error: one moving line on a terminal, elsewhere a line for each new thing."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from vibeserve.core.artifacts import printable
from vibeserve.core.session import Progress


@contextmanager
def progress_line() -> Iterator[Progress]:
    """Progress that a person sees and that leaves standard output, JSON above all, alone."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if console.is_terminal:
        with console.status("starting") as status:
            yield lambda message: status.update(Text(printable(message)))
        return
    shown: set[str] = set()

    def show(message: str) -> None:
        if message not in shown:
            shown.add(message)
            console.print(Text(f"… {printable(message)}", style="dim"))

    yield show
