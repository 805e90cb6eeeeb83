"""target.toml is read strictly: every mistake is told by its place and by what is allowed there."""

import errno
from pathlib import Path

import pytest

from vibeserve.core.errors import BadRequest
from vibeserve.core.run import Run, create_run, open_run
from vibeserve.core.target import digest_folder, fill, read_target


def replaced(folder: Path, old: str, new: str) -> Path:
    path = folder / "target.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return folder


def test_the_smallest_target_is_valid(target_folder: Path) -> None:
    target = read_target(target_folder)
    assert (target.name, target.numeric.max_gap, target.reuse) == ("smallest", 1e-3, "none")
    assert target.preset("tiny").dtype == "float32"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            'title = "',
            'colour = "red"\ntitle = "',
            "colour is unknown (allowed here: baselines, benchmark, checker",
        ),
        ("[launch]", "[launch]\nport = 1", "launch.port is unknown (allowed here: boot_timeout_s, command, health"),
        (
            'dtype = "float32"',
            'dtype = "float32"\nsize = 1',
            "presets.tiny.size is unknown (allowed here: boot_timeout_s, build, dtype",
        ),
        ('title = "The smallest target"\n', "", "title is missing"),
        ('unit = "tokens/s"\n', "", "benchmark.unit is missing"),
        ('metric = "tokens_per_s"', "metric = 3", "benchmark.metric: input should be a valid string"),
        ('direction = "higher"', 'direction = "up"', "benchmark.direction: input should be 'higher' or 'lower'"),
        ('direction = "higher"', 'direction = "higher"\npairs = 1', "benchmark.pairs: input should be greater than"),
        ("[launch]\ncommand = [", "[launch]\nboot_timeout_s = 0\ncommand = [", "launch.boot_timeout_s: input should"),
        ('name = "smallest"', 'name = "Not A Name"', "name: string should match pattern"),
        ('modality = "text"', 'modality = "smell"', "modality: input should be 'text'"),
        ('build = ["', 'model_id = "x"\nbuild = ["', "presets.tiny: give either build or model_id"),
        ('dtype = "float32"\nbuild', 'dtype = "float32"\n#', "presets.tiny: give either build or model_id"),
        ("[presets.tiny]", "[other.tiny]", "presets is missing"),
    ],
)
def test_a_mistake_is_told_by_its_place(target_folder: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        read_target(replaced(target_folder, old, new))
    assert told in refusal.value.message
    assert "pydantic" not in str(refusal.value)
    assert "http" not in str(refusal.value)


BASELINE = '[baselines.{name}]\ntitle = "Batches"\nstrong = true\ncommand = ["{{python}}", "{script}"]\n\n'
ALSO = '[[benchmark.also]]\nname = "ttft"\nmetric = "ttft_ms.p50"\nunit = "ms"\ndirection = "lower"\n\n'


def with_baselines(folder: Path, *names: str, script: str = "{target}/serve.py") -> Path:
    declared = "".join(BASELINE.format(name=name, script=script) for name in names)
    return replaced(folder, "[checker]", f"{declared}[checker]")


def test_a_target_may_declare_baselines_and_secondary_figures(target_folder: Path) -> None:
    assert read_target(target_folder).strong_baseline is None
    target = read_target(replaced(with_baselines(target_folder, "static-batch"), "[presets", f"{ALSO}[presets"))
    assert target.strong_baseline == "static-batch"
    assert target.baseline("static-batch").title == "Batches"
    assert [figure.metric for figure in target.benchmark.also] == ["ttft_ms.p50"]
    with pytest.raises(BadRequest, match="no baseline 'vllm'") as refusal:
        target.baseline("vllm")
    assert "static-batch" in refusal.value.next_step


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("one", "two"), "baselines: at most one can be the strong one"),
        (("parent",), "baselines: parent is a name that measuring uses itself"),
        (("Not-A-Name",), "string should match pattern"),
    ],
)
def test_baselines_that_cannot_be_told_apart_are_refused(
    target_folder: Path, names: tuple[str, ...], told: str
) -> None:
    with pytest.raises(BadRequest) as refusal:
        read_target(with_baselines(target_folder, *names))
    assert told in refusal.value.message


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("strong = true", "weak = true", "baselines.batch.weak is unknown (allowed here: command, strong, title)"),
        ("{target}/serve.py", "{seed}", "{seed} is not offered"),
        ('unit = "ms"\n', "", "benchmark.also.0.unit is missing"),
        ('unit = "ms"\n', 'unit = "ms"\nnoise = 1\n', "benchmark.also.0.noise is unknown (allowed here: direction, me"),
        (ALSO, ALSO * 2, "benchmark.also: two of them have the same name"),
    ],
)
def test_a_mistake_in_a_baseline_or_secondary_figure_is_told_by_its_place(
    target_folder: Path, old: str, new: str, told: str
) -> None:
    replaced(with_baselines(target_folder, "batch"), "[presets", f"{ALSO}[presets")
    path = target_folder / "target.toml"
    head, mark, tail = path.read_text().partition("[baselines.batch]")
    assert old in tail
    path.write_text(head + mark + tail.replace(old, new, 1))
    with pytest.raises(BadRequest) as refusal:
        read_target(target_folder)
    assert told in refusal.value.message


def test_a_baseline_whose_script_is_not_there_is_refused(target_folder: Path, tmp_path: Path) -> None:
    with_baselines(target_folder, "batch", script="{target}/batch.py")
    with pytest.raises(BadRequest, match=r"batch\.py"):
        create_run(target_folder, "tiny", tmp_path, "0" * 64, tmp_path / "run")


def test_a_model_id_needs_a_revision(target_folder: Path) -> None:
    path = target_folder / "target.toml"
    head = path.read_text().partition("[presets.tiny]")[0]
    path.write_text(head + '[presets.tiny]\ndtype = "float32"\nmodel_id = "x/y"\n')
    with pytest.raises(BadRequest, match="needs a revision"):
        read_target(target_folder)


def test_what_is_no_target_at_all(target_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"holds no target\.toml"):
        read_target(tmp_path)
    (target_folder / "OBJECTIVE.md").unlink()
    with pytest.raises(BadRequest, match=r"lacks OBJECTIVE\.md"):
        read_target(target_folder)
    (target_folder / "target.toml").write_text("name = \n")
    with pytest.raises(BadRequest, match=r"not valid TOML.*line 1"):
        read_target(target_folder)
    (target_folder / "target.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadRequest, match="not valid TOML"):
        read_target(target_folder)


def test_an_unknown_preset_names_those_there_are(target_folder: Path) -> None:
    with pytest.raises(BadRequest, match="no preset 'huge'") as refusal:
        read_target(target_folder).preset("huge")
    assert "tiny" in refusal.value.next_step


def test_placeholders_are_filled_or_refused() -> None:
    assert fill(("{python}", "--port={port}"), {"python": "py", "port": 1}) == ("py", "--port=1")
    for wrong in ("{seed}", "{0}", "{port"):
        with pytest.raises(BadRequest, match="placeholder that is not offered") as refusal:
            fill((wrong,), {"port": 1})
        assert "{port}" in refusal.value.next_step


def test_the_digest_covers_names_and_bytes(target_folder: Path) -> None:
    before = digest_folder(target_folder)
    (target_folder / "__pycache__").mkdir()
    (target_folder / "__pycache__" / "x.pyc").write_text("cached")
    (target_folder / "recorded").mkdir()
    (target_folder / "recorded" / "turn.json").write_text("{}")
    assert digest_folder(target_folder) == before
    (target_folder / "pool.jsonl").rename(target_folder / "fool.jsonl")
    renamed = digest_folder(target_folder)
    (target_folder / "fool.jsonl").write_text("other")
    assert len({before, renamed, digest_folder(target_folder)}) == 3


def test_a_run_snapshots_its_target(run: Run, target_folder: Path) -> None:
    (target_folder / "target.toml").write_text("changed afterwards")
    assert open_run(run.layout.root).target.name == "smallest"
    assert (run.layout.target / "target.toml").stat().st_mode & 0o222 == 0
    assert run.layout.root.stat().st_mode & 0o077 == 0
    with pytest.raises(BadRequest, match="exists already"):
        create_run(run.layout.target, "tiny", run.model, "0" * 64, run.layout.root)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{url}", "{ulr}", "{ulr} is not offered"),
        ("{port}", "{seed}", "{seed} is not offered"),
        ('pool = "pool.jsonl"', 'pool = "pool.jsonl"\nprompt_tokens = [96, 8]', "the smallest first"),
    ],
)
def test_what_would_break_a_command_later_is_refused_at_once(
    target_folder: Path, old: str, new: str, said: str
) -> None:
    path = target_folder / "target.toml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(BadRequest) as refusal:
        read_target(target_folder)
    assert said in refusal.value.message


def test_a_script_that_is_not_there_is_refused_before_a_run_is_made(target_folder: Path, tmp_path: Path) -> None:
    (target_folder / "check.py").unlink()
    with pytest.raises(BadRequest, match=r"check\.py"):
        create_run(target_folder, "tiny", tmp_path, "0" * 64, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_that_cannot_be_made_whole_is_not_made(
    target_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(_path: Path, _text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", no_room)
    with pytest.raises(OSError, match="No space left"):
        create_run(target_folder, "tiny", tmp_path, "0" * 64, tmp_path / "run")
    monkeypatch.undo()
    assert not [path for path in tmp_path.iterdir() if "run" in path.name]
