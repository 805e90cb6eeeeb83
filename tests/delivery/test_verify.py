"""Whatever is done to an export after it was made is found and named, with nothing but the folder."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from exported_run import SeededPlayer, exported, promoted_run

from vibeserve.cli.verify import command
from vibeserve.core.keys import RunKey
from vibeserve.core.ledger import canonical
from vibeserve.delivery.export.manifest import FIGURES, LEDGER, MANIFEST, PUBLIC_KEY, SIGNATURE
from vibeserve.delivery.verify.verification import Verification, verify_folder, verify_run


def vibeserve_verify(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def broken(found: Verification) -> dict[str, str]:
    return {check.name: "; ".join(check.problems) for check in found.checks if not check.ok}


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def edit_records(folder: Path, edit: Callable[[dict], None]) -> None:
    lines = [json.loads(line) for line in (folder / LEDGER).read_text().splitlines()]
    for record in lines:
        edit(record)
    (folder / LEDGER).write_text("".join(canonical(record) + "\n" for record in lines))


def test_a_copy_verifies_without_its_run(received: Path, player: SeededPlayer, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = player.run.layout.root.with_name("gone")
    player.run.layout.root.rename(elsewhere)
    try:
        answer = vibeserve_verify(str(received), "--json")
    finally:
        elsewhere.rename(player.run.layout.root)
    said = json.loads(answer.stdout)
    assert answer.exit_code == 0, answer.output
    assert said["ok"]
    assert all(check["ok"] for check in said["checks"])
    assert said["tree"] == player.run.ledger.records("checkpoint.promoted")[-1].subject
    assert "--rerun" in said["does_not_prove"]


@pytest.mark.parametrize(
    ("name", "checks"),
    [
        ("server/engine.py", {"files", "server"}),
        ("README.md", {"files"}),
        ("launch.sh", {"files"}),
        ("provenance/target/accuracy_checker/checker.py", {"files", "target"}),
    ],
)
def test_one_byte_of_a_file_is_named(received: Path, name: str, checks: set[str]) -> None:
    flip_a_byte(received / name)
    found = broken(verify_folder(received))
    assert found.keys() == checks
    assert found["files"] == f"{name} was altered"


def test_one_byte_of_the_ledger_is_named(received: Path) -> None:
    edit_records(received, lambda record: record["body"].update(feedback="x") if "feedback" in record["body"] else None)
    found = broken(verify_folder(received))
    assert found["files"] == f"{LEDGER} was altered"
    assert "(verdict.given): its content does not match its hash" in found["ledger"]


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_one_byte_of_the_manifest_breaks_its_signature(received: Path, place: float) -> None:
    data = bytearray((received / MANIFEST).read_bytes())
    digests = [found.start(1) for found in re.finditer(rb'"sha256": "([0-9a-f]{64})"', data)]
    first = digests[int(place * len(digests))]
    data[first] = ord("1") if data[first] == ord("0") else ord("0")
    (received / MANIFEST).write_bytes(data)
    assert "one of the two was altered" in broken(verify_folder(received))["signature"]


def test_white_space_in_the_manifest_breaks_its_signature(received: Path) -> None:
    (received / MANIFEST).write_text((received / MANIFEST).read_text() + "\n")
    assert broken(verify_folder(received)).keys() == {"signature"}


@pytest.mark.parametrize("signature", ["", "00" * 64, "no hex at all"])
def test_another_signature_is_named(received: Path, signature: str) -> None:
    (received / SIGNATURE).write_text(signature)
    assert broken(verify_folder(received)).keys() == {"signature"}


def test_a_signature_of_another_export_is_named(received: Path, player: SeededPlayer, tmp_path: Path) -> None:
    other = exported(player, tmp_path / "other").folder
    (other / SIGNATURE).rename(received / SIGNATURE)
    flip_a_byte(received / "README.md")
    assert broken(verify_folder(received)).keys() >= {"files"}


def test_another_public_key_is_named(received: Path, tmp_path: Path) -> None:
    (received / PUBLIC_KEY).write_text(RunKey.create(tmp_path / "key").public_hex + "\n")
    found = broken(verify_folder(received))
    assert "is not the key that the manifest names" in found["signature"]
    assert found["files"] == f"{PUBLIC_KEY} was altered"


def test_files_that_were_added_or_removed_are_named(received: Path) -> None:
    (received / "server" / "backdoor.py").write_text("")
    (received / "server" / "__pycache__").mkdir()
    (received / "server" / "__pycache__" / "engine.cpython-311.pyc").write_bytes(b"poison")
    (received / "LICENSE").symlink_to("/etc/passwd")
    os.mkfifo(received / "provenance" / "pipe")
    (received / "smoke_test.py").unlink()
    found = broken(verify_folder(received))["files"]
    for wanted in (
        "server/backdoor.py was added",
        "engine.cpython-311.pyc was added (an interpreter's cache: remove it)",
        "LICENSE was added",
        "provenance/pipe was added",
        "smoke_test.py is missing",
    ):
        assert wanted in found


def test_a_file_swapped_for_a_link_to_the_same_bytes_is_named(received: Path, original: Path) -> None:
    (received / "README.md").unlink()
    (received / "README.md").symlink_to(original / "README.md")
    assert broken(verify_folder(received)) == {"files": "README.md was altered"}


def test_a_program_bit_of_the_server_is_named(received: Path) -> None:
    (received / "server" / "serve.py").chmod(0o755)
    assert broken(verify_folder(received)).keys() == {"server"}


@pytest.mark.parametrize("name", [MANIFEST, LEDGER, FIGURES, SIGNATURE, PUBLIC_KEY])
def test_a_part_that_is_gone_or_rubbish_is_named(received: Path, name: str) -> None:
    for damage in (lambda path: path.write_bytes(b"\xff{[\0" * 9), Path.unlink, Path.mkdir, Path.rmdir, os.mkfifo):
        damage(received / name)
        answer = vibeserve_verify(str(received))
        assert answer.exit_code == 1
        assert name in answer.output
        assert answer.exception is None or isinstance(answer.exception, SystemExit)


def test_removed_records_and_other_orders_are_named(received: Path) -> None:
    lines = (received / LEDGER).read_text().splitlines()
    evidence = [line for line in lines if '"kind":"verdict.given"' not in line]
    (received / LEDGER).write_text("\n".join(evidence))
    assert "a passing verdict" in broken(verify_folder(received))["promotion"]
    (received / LEDGER).write_text("\n".join(lines[::-1]))
    assert "stands after record" in broken(verify_folder(received))["ledger"]


def test_a_record_signed_by_another_key_is_named(received: Path, tmp_path: Path) -> None:
    key = RunKey.create(tmp_path / "key")
    edit_records(received, lambda record: record.update(signature=key.sign(record["hash"])))
    assert "its signature is not by the key of the run" in broken(verify_folder(received))["ledger"]


def test_a_run_is_audited_and_its_best_stands(player: SeededPlayer) -> None:
    found = verify_run(player.run)
    assert found.ok
    assert [check.name for check in found.checks] == ["ledger", "promotion"]
    assert vibeserve_verify(str(player.run.layout.root)).exit_code == 0


def test_a_run_with_nothing_promoted_or_a_broken_record_is_named(tmp_path: Path) -> None:
    player = promoted_run(tmp_path / "own")
    best = player.run.ledger.records("checkpoint.promoted")[-1].body["candidate"]
    player.gate(best, "served")
    player.gate("C1", "served")
    assert broken(verify_run(player.run)) == {"promotion": "no promoted checkpoint stands"}
    with player.run.database.tx() as connection:
        connection.execute("DROP TRIGGER ledger_never_updated")
        connection.execute("UPDATE ledger SET at = 'long ago' WHERE seq = 2")
    assert broken(verify_run(player.run)) == {"ledger": "record 2: its content does not match its hash"}
    player.run.database.close()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("{empty}",), 1, "neither an exported folder nor a run"),
        (("no-such-thing",), 1, "There is no run no-such-thing"),
        (("{empty}", "--work", "w"), 2, "--rerun"),
    ],
)
def test_what_cannot_be_verified_teaches(tmp_path: Path, arguments: tuple[str, ...], status: int, said: str) -> None:
    answer = vibeserve_verify(*(argument.format(empty=tmp_path) for argument in arguments), "--json")
    assert answer.exit_code == status
    assert said in answer.output
