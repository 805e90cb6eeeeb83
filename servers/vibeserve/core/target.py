"""`target.toml`: what a deployment target declares, read strictly."""

import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from vibeserve.core.errors import BadRequest
from vibeserve.core.explaining import explain


def _ordered(span: tuple[int, int]) -> tuple[int, int]:
    if not 0 < span[0] <= span[1]:
        raise ValueError("give the smallest first, then the largest, both above 0")
    return span


def _offering(*offered: str) -> AfterValidator:
    """Refuses a command with a placeholder that is not offered where it runs."""

    def check(command: tuple[str, ...]) -> tuple[str, ...]:
        unknown = {name for part in command for _, name, _, _ in Formatter().parse(part) if name} - set(offered)
        if unknown:
            shown = ", ".join(f"{{{name}}}" for name in sorted(unknown))
            raise ValueError(f"{shown} is not offered; use {', '.join(f'{{{name}}}' for name in offered)}")
        return command

    return AfterValidator(check)


Span = Annotated[tuple[int, int], AfterValidator(_ordered)]
Command = Annotated[tuple[str, ...], Field(min_length=1)]
ServerCommand = Annotated[Command, _offering("python", "port", "model", "dtype", "target")]
ScoreCommand = Annotated[Command, _offering("python", "target", "model", "dtype", "preset", "in", "out")]
JudgeCommand = Annotated[Command, _offering("python", "target", "url", "model", "dtype", "preset", "seed", "out")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
BuildCommand = Annotated[Command, _offering("python", "target", "out")]


class Strict(BaseModel):
    """No unknown keys, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Launch(Strict):
    """How a candidate is started."""

    command: ServerCommand
    health: str = "/health"
    boot_timeout_s: float = Field(60, gt=0)
    memory_gib: float = Field(8, gt=0)
    processes: int = Field(256, gt=0)


class Reference(Strict):
    """The ground truth: a server that is the baseline, and a scorer that teacher-forces from {in} to {out}."""

    command: ServerCommand
    score: ScoreCommand
    timeout_s: float = Field(300, gt=0)


class Baseline(Strict):
    """Another server of the target that candidates can be measured against.

    `strong` marks the one that an honest effort with usual means gives: speed-ups over it are the ones to state.
    """

    title: str
    command: ServerCommand
    strong: bool = False


class Checker(Strict):
    """The user's accuracy checker, any command that talks to {url} and writes JSON to {out}.

    Placeholders: {python} {target} {url} {model} {dtype} {seed} {out} {preset}; {dtype} is that of the numeric
    stage, in which the candidate is launched for it. `passed` is the dotted path to a boolean.
    """

    command: JudgeCommand
    passed: str = "passed"
    timeout_s: float = Field(300, gt=0)


class Numeric(Strict):
    """Hidden prompts, each emitted id teacher-forced through the reference (logit gap, in nats of logit)."""

    dtype: str = "float32"
    prompts: int = Field(24, ge=4)
    prompt_tokens: Span = (8, 96)
    output_tokens: Span = (4, 48)
    max_gap: float = Field(1e-3, gt=0)
    pool: str


class SecondaryMetric(Strict):
    """A figure that the benchmark writes beside its metric; `metric` is the dotted path to a positive number."""

    name: str = Field(min_length=1, max_length=60)
    metric: str
    unit: str
    direction: Literal["higher", "lower"]


def _differently_named(metrics: tuple[SecondaryMetric, ...]) -> tuple[SecondaryMetric, ...]:
    if len({metric.name for metric in metrics}) < len(metrics):
        raise ValueError("two of them have the same name")
    return metrics


SecondaryMetrics = Annotated[tuple[SecondaryMetric, ...], Field(max_length=4), AfterValidator(_differently_named)]


class Benchmark(Strict):
    """The user's benchmark, any command that loads {url} and writes JSON to {out}.

    Placeholders: {python} {target} {url} {model} {dtype} {seed} {out} {preset}. `metric` is the dotted path to a
    finite, positive number; `served: false` with a `reason` beside it says that the server did not serve.
    `relative_noise` is the smallest relative change that counts. `also` are secondary figures of the same windows.
    """

    command: JudgeCommand
    metric: str
    unit: str
    direction: Literal["higher", "lower"]
    pairs: int = Field(4, ge=2)
    relative_noise: float = Field(0.05, ge=0, lt=1)
    timeout_s: float = Field(300, gt=0)
    also: SecondaryMetrics = ()


class Preset(Strict):
    """One size of the target: a model built locally (`build`: {python} {target} {out}) or named by id.

    `recorded` names another preset whose recorded run this one plays; `pairs` replaces the benchmark's,
    `memory_gib` and `boot_timeout_s` the launch contract's, `timeout_s` those of reference, checker and benchmark.
    `rounds` is how many rounds a run of this preset plays when nobody says otherwise.
    """

    dtype: str
    recorded: str | None = None
    pairs: int | None = Field(None, ge=2)
    memory_gib: float | None = Field(None, gt=0)
    boot_timeout_s: float | None = Field(None, gt=0)
    timeout_s: float | None = Field(None, gt=0)
    rounds: int | None = Field(None, ge=1)
    build: BuildCommand | None = None
    model_id: str | None = None
    revision: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "Preset":
        if (self.build is None) == (self.model_id is None):
            raise ValueError("give either build or model_id")
        if self.model_id is not None and not self.revision:
            raise ValueError("model_id needs a revision, so that everybody judges against the same weights")
        return self


def _told_apart(baselines: dict[str, Baseline]) -> dict[str, Baseline]:
    taken = sorted({"parent", "baseline", "reference"} & set(baselines))
    if taken:
        raise ValueError(f"{taken[0]} is a name that measuring uses itself; choose another")
    if sum(baseline.strong for baseline in baselines.values()) > 1:
        raise ValueError("at most one can be the strong one")
    return baselines


Baselines = Annotated[dict[Name, Baseline], AfterValidator(_told_apart)]


class Target(Strict):
    """A deployment target: model, hardware and workload, with what decides correctness and speed."""

    name: Name
    title: str
    modality: Literal["text"]
    interface: Literal["openai"]
    reuse: Literal["none", "prefix"] = "none"
    launch: Launch
    reference: Reference
    baselines: Baselines = {}
    checker: Checker
    numeric: Numeric
    benchmark: Benchmark
    presets: dict[str, Preset] = Field(min_length=1)

    def preset(self, name: str) -> Preset:
        """The named preset, or BadRequest with those there are."""
        if name not in self.presets:
            raise BadRequest(
                f"Target {self.name} has no preset {name!r}.",
                f"Choose one of: {', '.join(sorted(self.presets))}.",
            )
        return self.presets[name]

    def baseline(self, name: str) -> Baseline:
        """The named baseline, or BadRequest with those there are."""
        if name not in self.baselines:
            there = ", ".join(sorted(self.baselines)) or "none"
            raise BadRequest(f"Target {self.name} has no baseline {name[:60]!r}.", f"It declares: {there}.")
        return self.baselines[name]

    @property
    def strong_baseline(self) -> str | None:
        """The name of the strong baseline, None where the target declares none."""
        return next((name for name, baseline in self.baselines.items() if baseline.strong), None)


def read_target(folder: Path) -> Target:
    """Read and validate `folder/target.toml` and the files it needs."""
    path = folder / "target.toml"
    try:
        declared = tomllib.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadRequest(
            f"{folder} holds no target.toml.", "Give the folder of a target, such as targets/llama-chat."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path} is not valid TOML: {error}.", "Correct that line and call again.") from error
    try:
        target = Target.model_validate(declared)
    except ValidationError as error:
        raise BadRequest(
            f"{path} is not a valid target: {explain(error, Target)}.", "Correct it and call again."
        ) from error
    for needed in ("OBJECTIVE.md", target.numeric.pool):
        if not (folder / needed).is_file():
            raise BadRequest(f"{folder} lacks {needed}.", "Add the file and call again.")
    return target


def require_scripts(folder: Path, target: Target, preset: str) -> None:
    """BadRequest when a command names a file of the target, `{target}/…`, that is not there."""
    declared = (target.reference.command, target.reference.score, target.checker.command, target.benchmark.command)
    baselines = (baseline.command for baseline in target.baselines.values())
    commands = (*declared, *baselines, target.preset(preset).build or ())
    for part in (part for command in commands for part in command):
        if part.startswith("{target}/"):
            path = folder / part.removeprefix("{target}/").replace("{preset}", preset)
            if not path.exists():
                raise BadRequest(
                    f"target.toml names {part}, and {path} does not exist.", "Add it, or correct the name."
                )


def digest_folder(folder: Path) -> str:
    """SHA-256 over the relative paths and bytes of all files, sorted; caches of the interpreter left out."""
    digest = hashlib.sha256()
    for path in sorted(target_files(folder)):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def target_files(folder: Path) -> list[Path]:
    """The files that make up a target: everything but recorded runs and interpreter caches."""
    left_out = {"__pycache__", "recorded", ".git"}
    return [path for path in folder.rglob("*") if path.is_file() and not left_out & set(path.relative_to(folder).parts)]


def fill(command: tuple[str, ...], values: Mapping[str, object]) -> tuple[str, ...]:
    """Replace the {placeholders} of a command; one that is not offered is a BadRequest."""
    try:
        return tuple(part.format_map({key: str(value) for key, value in values.items()}) for part in command)
    except (KeyError, ValueError, IndexError) as error:
        raise BadRequest(
            f"The command {' '.join(command)!r} has a placeholder that is not offered here: {error}.",
            f"Use only {', '.join('{' + key + '}' for key in values)}.",
        ) from error
