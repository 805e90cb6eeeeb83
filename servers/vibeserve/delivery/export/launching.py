"""How an exported server is started: a script, the same for programs, its requirements and an image."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from vibeserve.core.run import Run
from vibeserve.core.target import Launch
from vibeserve.delivery.export.imports import Needs, needs_of
from vibeserve.delivery.export.manifest import SERVER
from vibeserve.delivery.export.templating import filled, template
from vibeserve.delivery.pooling import Environment

LAUNCH, CONTRACT, REQUIREMENTS, DOCKERFILE, SMOKE_TEST = (
    "launch.sh",
    "launch.json",
    "requirements.txt",
    "Dockerfile",
    "smoke_test.py",
)
_PLACE = re.compile(r"\{(\w+)\}")
_SHELL = {"python": '"$PYTHON"', "port": '"$PORT"', "model": '"$MODEL"', "dtype": '"$DTYPE"', "target": '"$SERVER"'}
_COMPILER = (
    "# The server compiles when it starts.\n"
    "RUN apt-get update && apt-get install --yes --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*\n"
)


@dataclass(frozen=True, slots=True)
class Started:
    """What the files that start a server are made of. `environment` is the machine it was measured on."""

    image: str
    launch: Launch
    dtype: str
    environment: Environment


def started_as(run: Run, environment: Environment) -> Started:
    """What a run's launch contract says of its candidates."""
    return Started(f"{run.target.name}-{run.preset_name}", run.launch, run.preset.dtype, environment)


def write_launch_files(folder: Path, started: Started) -> None:
    """Write script, contract, requirements, Dockerfile and smoke test beside the server in `folder`."""
    needs, launch = needs_of(folder / SERVER), started.launch
    said = {"dtype": started.dtype, "health": launch.health}
    script = folder / LAUNCH
    script.write_text(filled("launch.sh", said | {"command": in_shell(launch.command)}), encoding="utf-8")
    script.chmod(0o755)
    (folder / CONTRACT).write_text(json.dumps(_contract(started), indent=2) + "\n", encoding="utf-8")
    (folder / REQUIREMENTS).write_text(_requirements(needs), encoding="utf-8")
    (folder / DOCKERFILE).write_text(_dockerfile(started, needs, said), encoding="utf-8")
    (folder / SMOKE_TEST).write_text(template("smoke_test.py"), encoding="utf-8")


def in_shell(command: tuple[str, ...]) -> str:
    """A launch command as words of a shell script, with the script's variables for its placeholders."""
    return " ".join(_word(word) for word in command)


def shown(command: tuple[str, ...]) -> str:
    """A launch command for people: its placeholders as names in capitals."""
    return " ".join(_PLACE.sub(lambda match: match[1].upper(), word) for word in command)


def _word(word: str) -> str:
    """Text and placeholders alternate in what the split gives; all of it becomes one word."""
    parts = _PLACE.split(word)
    return "".join(
        _SHELL[part] if place else shlex.quote(part) for place, part in zip(_places(parts), parts, strict=True) if part
    ) or shlex.quote("")


def _places(parts: list[str]) -> list[bool]:
    return [index % 2 == 1 for index in range(len(parts))]


def _contract(started: Started) -> dict[str, object]:
    launch = started.launch
    return {
        "command": list(launch.command),
        "health": launch.health,
        "boot_timeout_s": launch.boot_timeout_s,
        "memory_gib": launch.memory_gib,
        "processes": launch.processes,
        "dtype": started.dtype,
    }


def _requirements(needs: Needs) -> str:
    """The pins, and what of the imports no installed package provides."""
    head = ["# What the server imports, in the versions of the machine that exported it."]
    missing = [f"# imported, but not installed where it was exported: {name}" for name in needs.missing]
    return "\n".join([*head, *missing, *needs.pins]) + "\n"


def _dockerfile(started: Started, needs: Needs, said: dict[str, str]) -> str:
    version = str(started.environment["python"]).split(".")
    return filled(
        "Dockerfile",
        said
        | {
            "image": started.image,
            "python": ".".join(version[:2]),
            "compiler": _COMPILER if needs.compiler else "",
            "boot_timeout_s": f"{started.launch.boot_timeout_s:.0f}",
        },
    )
