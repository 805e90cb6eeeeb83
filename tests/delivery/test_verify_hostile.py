"""What a sender with a key of their own can do: an export altered and signed again, names and depths made to harm."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from resigning import signed_again

from vibeserve.cli.verify import command
from vibeserve.core.keys import RunKey, signed_by
from vibeserve.delivery.export.manifest import FIGURES, LEDGER, MANIFEST
from vibeserve.delivery.verify.verification import Verification, verify_folder


def vibeserve_verify(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def broken(found: Verification) -> dict[str, str]:
    return {check.name: "; ".join(check.problems) for check in found.checks if not check.ok}


def test_signed_again_by_anybody_it_is_whole_and_says_what_that_does_not_prove(received: Path, tmp_path: Path) -> None:
    (received / "server" / "engine.py").write_text("raise SystemExit\n")
    signed_again(received, tmp_path)
    found = verify_folder(received)
    assert broken(found) == {}
    assert found.public_key != (received / "provenance" / "run.key")
    assert "sign anything" in found.does_not_prove


@pytest.mark.parametrize(
    ("place", "check"),
    [
        ("server/__pycache__/engine.cpython-311.pyc", "server"),
        ("provenance/target/__pycache__/checker.cpython-311.pyc", "target"),
        ("provenance/target/recorded/notes.txt", "target"),
    ],
)
def test_what_neither_tree_nor_target_digest_covers_is_named_whoever_signed(
    received: Path, tmp_path: Path, place: str, check: str
) -> None:
    (received / place).parent.mkdir(exist_ok=True)
    (received / place).write_bytes(b"poison")
    signed_again(received, tmp_path)
    assert broken(verify_folder(received)).keys() == {check}


def test_an_assurance_above_that_of_the_records_is_named(received: Path, tmp_path: Path) -> None:
    (received / MANIFEST).write_text((received / MANIFEST).read_text().replace('"cooperative"', '"isolated"'))
    signed_again(received, tmp_path)
    assert "made cooperatively" in broken(verify_folder(received))["promotion"]


@pytest.mark.parametrize("name", [FIGURES, LEDGER, "provenance/target/target.toml"])
def test_what_is_nested_without_end_is_named(received: Path, tmp_path: Path, name: str) -> None:
    deep = "[" * 20_000
    if name == LEDGER:
        (received / name).write_text((received / name).read_text() + deep)
    else:
        (received / name).write_text(f"deep = {deep}" if name.endswith("toml") else deep)
        signed_again(received, tmp_path)
    answer = vibeserve_verify(str(received))
    assert answer.exit_code == 1
    assert isinstance(answer.exception, SystemExit)


def test_names_made_to_look_like_good_lines_stay_in_theirs(received: Path) -> None:
    (received / "x\nok      signature: it is mine \x1b[2J").write_text("")
    (received / "provenance" / "target" / os.fsdecode(b"\xff")).write_text("")
    answer = vibeserve_verify(str(received))
    assert answer.exit_code == 1
    assert isinstance(answer.exception, SystemExit)
    assert "x ok signature: it is mine" in answer.output
    assert "\x1b" not in answer.output
    assert "target: provenance/target is not a folder of plain files" in answer.output


def test_a_key_is_written_in_one_way_only(tmp_path: Path) -> None:
    key = RunKey.create(tmp_path / "key")
    assert signed_by(key.public_hex, "text", key.sign("text"))
    for other in (key.public_hex.upper(), f"{key.public_hex[:2]} {key.public_hex[2:]}", key.public_hex + "\n"):
        assert not signed_by(other, "text", key.sign("text"))


@pytest.mark.parametrize(
    ("kind", "change", "check", "said"),
    [
        ("gate.passed", {"target_digest": "0" * 64}, "promotion", "a passing gate"),
        ("verdict.given", {"verdict": "fail"}, "promotion", "a passing verdict"),
        ("measurement.recorded", {"target_digest": "0" * 64}, "promotion", "a measurement"),
        ("checkpoint.promoted", {"target_digest": "0" * 64}, "promotion", "another target digest"),
        ("run.created", {"model_digest": "0" * 64}, "promotion", "another model_digest"),
        ("measurement.recorded", {"values": [[900, 1], [901, 1]]}, "figures", "vs_reference in figures.json"),
        ("measurement.recorded", {"values": "hostile"}, "figures", "the measurements or the target cannot be read"),
        ("measurement.recorded", {"against_tree": []}, "figures", "vs_reference"),
        ("measurement.recorded", {"environment": None, "against_tree": 7}, "figures", "vs_reference"),
        ("checkpoint.promoted", {"parent": None}, "promotion", "whose promotion is not in the extract"),
        ("checkpoint.promoted", {"round": 10**40}, "promotion", "another candidate"),
        ("checkpoint.promoted", {"tree": 1, "parent": []}, "promotion", "not in the extract"),
    ],
)
def test_records_that_do_not_show_it_are_named_whoever_signed(
    received: Path, tmp_path: Path, kind: str, change: dict, check: str, said: str
) -> None:
    signed_again(received, tmp_path, lambda record: record["kind"] == kind and record["body"].update(change))
    found = broken(verify_folder(received))
    assert "signature" not in found
    assert said in found[check]


@pytest.mark.parametrize("kind", ["checkpoint.promoted", "gate.passed", "verdict.given", "measurement.recorded"])
def test_records_of_another_shape_are_named(received: Path, tmp_path: Path, kind: str) -> None:
    signed_again(received, tmp_path, lambda record: record["kind"] == kind and record["body"].clear())
    found = verify_folder(received)
    assert not found.ok
    assert broken(found).keys() & {"promotion", "figures"}


def test_a_failed_gate_after_the_promotion_is_named(received: Path, tmp_path: Path) -> None:
    def fail_last(record: dict) -> None:
        if record["kind"] == "measurement.recorded" and record["body"]["against"] == "baseline":
            record.update(kind="gate.failed", body=record["body"] | {"gate": "G9", "stages": []})

    signed_again(received, tmp_path, fail_last)
    assert "failed a gate after its promotion" in broken(verify_folder(received))["promotion"]
