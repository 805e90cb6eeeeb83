"""A proof's report: markdown with the machine and the versions it ran on."""

import platform
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("fastmcp", "mcp", "pydantic", "torch", "transformers")


class Report:
    """Collects lines and writes them."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._lines: list[str] = []

    def line(self, *lines: str) -> None:
        """Add paragraphs or lines."""
        self._lines.extend(lines)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add a markdown table."""
        self.line("", " | ".join(["", *head, ""]).strip(), "|" + "---|" * len(head))
        self._lines.extend(" | ".join(["", *map(str, row), ""]).strip() for row in rows)
        self.line("")

    def write(self, path: Path) -> None:
        """Write the report with its header."""
        path.parent.mkdir(parents=True, exist_ok=True)
        header = [
            f"# {self._title.capitalize()}",
            "",
            f"`make prove SHARDS={self._title}`, {datetime.now(UTC):%Y-%m-%d}, {machine()}.",
            "",
        ]
        path.write_text("\n".join([*header, *self._lines]).rstrip() + "\n")


def machine() -> str:
    """The machine and the versions in one line."""
    cores = _output("nproc")
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    packages = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return f"{cores} cores of {model}, Linux {platform.release()}, Python {platform.python_version()}, {packages}"


def _output(command: str) -> str:
    return subprocess.run([command], capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
