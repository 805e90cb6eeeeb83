import hashlib
import json
import math
from pathlib import Path

import pytest
from llama_chat import TARGET, reference, script

from vibeserve.core.target import read_target
from vibeserve.lab.judging import Answer, prompts


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_the_target_reads_and_its_pool_holds_text():
    target = read_target(TARGET)
    assert {"tiny", "paper"} <= set(target.presets)
    assert len(prompts.read_pool(TARGET / target.numeric.pool)) > 20
    paper = json.loads((TARGET / "reference/meta.json").read_text())
    assert paper == target.preset("paper").model_dump(include={"model_id", "revision"})


def test_building_twice_gives_the_same_bytes_and_another_seed_others(tiny, tmp_path):
    script("reference/build_tiny.py", "--out", tmp_path / "again")
    script("reference/build_tiny.py", "--out", tmp_path / "other", "--seed", "7")
    assert digests(tmp_path / "again") == digests(tiny)
    other = digests(tmp_path / "other")
    assert {name for name, digest in other.items() if digest != digests(tiny)[name]} == {"model.safetensors"}


def test_the_weights_are_the_same_on_every_machine(tiny):
    """A change here changes every recorded result: it must be meant."""
    assert digests(tiny)["model.safetensors"] == "c4ea626b51496ffac8c493038d42d3cb1edced31f5412102275610cecf35c737"


def test_the_weights_have_the_scale_at_which_a_check_can_see(tiny):
    from safetensors.numpy import load_file

    weights = load_file(tiny / "model.safetensors")
    assert sum(weight.size for weight in weights.values()) == pytest.approx(6.2e6, rel=0.03)
    for name, weight in weights.items():
        if weight.ndim == 2:
            assert weight.std() == pytest.approx(0.1, rel=0.02), name
            assert abs(weight.mean()) < 5 * 0.1 / math.sqrt(weight.size), name


def checked(url: str, model: Path, out: Path) -> dict:
    script("accuracy_checker/checker.py", "--url", url, "--model", model, "--seed", "5", "--out", out)
    return json.loads(out.read_text())


def test_the_checker_passes_the_reference(reference_url, tiny, tmp_path):
    result = checked(reference_url, tiny, tmp_path / "check.json")
    assert result["failures"] == []
    assert result["passed"] is True
    assert result["cases"] == 12


def test_the_checker_fails_a_server_with_other_weights_and_one_that_is_not_there(tiny, tmp_path):
    script("reference/build_tiny.py", "--out", tmp_path / "other", "--seed", "7")
    with reference(tmp_path / "other", tmp_path / "other.log") as url:
        wrong = checked(url, tiny, tmp_path / "check.json")
    assert wrong["passed"] is False
    assert any("below the reference's choice" in failure for failure in wrong["failures"])
    gone = checked(url, tiny, tmp_path / "check.json")
    assert gone["passed"] is False
    assert len(gone["failures"]) == gone["cases"] + 3


def test_the_benchmark_writes_its_headline_rates_and_what_was_timed(reference_url, tiny, tmp_path):
    load = json.loads((TARGET / "benchmark/load_tiny.json").read_text())
    load |= {"rates_per_s": [4, 16], "window_s": 1.5, "warmup_s": 0.2, "output_tokens": 8}
    (tmp_path / "load.json").write_text(json.dumps(load))
    common = ("--url", reference_url, "--model", tiny, "--load", tmp_path / "load.json")
    script("benchmark/benchmark.py", *common, "--seed", "3", "--out", tmp_path / "result.json")
    result = json.loads((tmp_path / "result.json").read_text())

    assert list(result["rates"]) == ["4", "16"]
    assert result["headline"] == result["rates"]["16"]
    assert math.isfinite(result["headline"]["tokens_per_s"])
    assert result["headline"]["tokens_per_s"] > 0
    timed = [Answer.model_validate(sample) for sample in result["samples"]]
    whole = [answer for answer in timed if answer.finish_reason is not None]
    assert len(whole) == sum(rate["requests"]["completed"] for rate in result["rates"].values()) > 0
    assert {answer.endpoint for answer in whole} == {"completions", "chat"}
    assert all(len(answer.token_ids) == 8 and answer.finish_reason == "length" for answer in whole)


def test_answers_cut_off_by_the_window_are_there_to_be_judged(reference_url, tiny, tmp_path):
    load = {"rates_per_s": [16], "window_s": 2, "warmup_s": 0, "prompt_tokens": [16, 32], "output_tokens": 400}
    (tmp_path / "load.json").write_text(json.dumps(load))
    common = ("--url", reference_url, "--model", tiny, "--load", tmp_path / "load.json")
    script("benchmark/benchmark.py", *common, "--seed", "3", "--out", tmp_path / "result.json")
    result = json.loads((tmp_path / "result.json").read_text())
    timed = [Answer.model_validate(sample) for sample in result["samples"]]
    cut_off = [answer for answer in timed if answer.finish_reason is None]
    assert cut_off
    # Every token that counts is there; a stream that was cut off may hold one more, which came as it was closed.
    late = sum(len(answer.token_ids) for answer in timed) - result["headline"]["tokens"]
    assert result["headline"]["tokens"] > 0
    assert 0 <= late <= len(cut_off)
