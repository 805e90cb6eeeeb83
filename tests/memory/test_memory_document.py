"""memory.md: compare-and-set, whole after any kill, and never over what a person wrote."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vibeserve.core.errors import BadRequest, Conflict, InfrastructureFailed, NotFound, Refused
from vibeserve.core.run import Run, open_run
from vibeserve.memory import document
from vibeserve.memory.document import read
from vibeserve.memory.sections import split

Call = Callable[..., dict[str, Any]]
LIMIT_BYTES = 8192


def test_a_section_is_added_read_replaced_and_removed(call: Call, edit: Call, run: Run) -> None:
    first = edit("What works", "static cache\n")
    shown = call("implementer", "read_memory", section="what WORKS")
    assert (shown["text"], shown["version"]) == ("static cache", first["version"])
    second = edit("What works", "static cache, batching", first["version"])
    assert second["version"] != first["version"]
    assert run.layout.memory.read_text().endswith("## What works\n\nstatic cache, batching\n")
    assert edit("What works", "", second["version"]) == {"section": "What works", "version": ""}
    assert "What works" not in run.layout.memory.read_text()
    bodies = [record.body for record in run.ledger.records("memory.edited")]
    assert [body["old_version"] for body in bodies] == ["", first["version"], second["version"]]
    assert bodies[1]["text"] == "static cache, batching"


def test_an_edit_names_the_version_it_read(edit: Call, run: Run) -> None:
    first = edit("Plan", "one")
    with pytest.raises(Conflict, match="'Plan' already") as refusal:
        edit("Plan", "two")
    assert first["version"] in refusal.value.next_step
    second = edit("Plan", "two", first["version"])
    with pytest.raises(Conflict, match=f"at version {second['version']}, not {first['version']}"):
        edit("Plan", "three", first["version"])
    with pytest.raises(Conflict, match="no section 'Gone'"):
        edit("Gone", "x", first["version"])
    assert run.ledger.count("memory.edited") == 2


@pytest.mark.parametrize(
    ("section", "text", "message"),
    [
        (" ", "x", "section is empty"),
        ("x" * 81, "x", "81 bytes"),
        ("A", "x" * 6001, "6001 bytes"),
        ("A", "fine\n## Smuggled\n", "heading of the level of sections"),
        ("A", "", "neither a text nor a section"),
    ],
)
def test_wrong_arguments_edit_nothing(edit: Call, run: Run, section: str, text: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        edit(section, text)
    assert run.ledger.count("memory.edited") == 0


def test_only_planners_edit(call: Call) -> None:
    for role in ("implementer", "evaluator"):
        with pytest.raises(Refused, match="is not for the role"):
            call(role, "edit_memory", section="A", text="x")
    with pytest.raises(Refused, match="is not for the role judge"):
        call("judge", "read_memory")


def test_an_edit_by_hand_is_recorded_and_kept(call: Call, edit: Call, run: Run) -> None:
    version = edit("Plan", "one")["version"]
    by_hand = run.layout.memory.read_text() + "\n## By hand\r\n\r\nkeep me\r\n"
    run.layout.memory.write_bytes(by_hand.encode())
    assert call("human", "read_memory", section="By hand")["text"] == "keep me"
    record = run.ledger.last("memory.edited")
    assert record is not None
    assert (record.actor.role, record.actor.session, record.body["outside"]) == ("human", "outside", True)
    artifact = record.body["text"].split()[-1]
    assert run.artifacts.path(artifact).read_bytes() == by_hand.encode()
    edit("Plan", "two", version)
    assert b"## By hand\r\n\r\nkeep me\r\n" in run.layout.memory.read_bytes()
    assert run.ledger.count("memory.edited") == 3


def test_undoing_an_edit_by_hand_stays_undone(edit: Call, call: Call, run: Run) -> None:
    """The file equals what it was before the last edit, as after a kill; but that edit was finished."""
    before = run.layout.memory.read_text()
    edit("Plan", "one")
    run.layout.memory.write_text(before)
    assert call("human", "read_memory")["text"] == before.strip()
    assert run.layout.memory.read_text() == before


def test_a_kill_between_ledger_and_file_is_repaired(edit: Call, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    version = edit("Plan", "one")["version"]
    before = run.layout.memory.read_text()

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as cut:
        cut.setattr(document, "_finish", killed)
        with pytest.raises(Killed):
            edit("Plan", "two", version)
    assert run.layout.memory.read_text() == before
    again = open_run(run.layout.root)
    assert "two" in read(again).text
    assert run.layout.memory.read_text().endswith("## Plan\n\ntwo\n")
    again.database.close()
    assert run.ledger.count("memory.edited") == 2


def test_a_kill_then_an_edit_by_hand_keeps_the_hand(edit: Call, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as cut:
        cut.setattr(document, "_finish", killed)
        with pytest.raises(Killed):
            edit("Plan", "one")
    run.layout.memory.write_text("mine\n")
    assert read(run).text == "mine\n"
    assert read(run).text == "mine\n"
    assert [record.body.get("outside") for record in run.ledger.records("memory.edited")] == [None, True]


def test_writing_by_hand_at_the_very_moment_wins(edit: Call, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    original = document._finish

    def race(owner: Run, before: str, after: str) -> None:
        run.layout.memory.write_text("mine\n")
        original(owner, before, after)

    with monkeypatch.context() as racing:
        racing.setattr(document, "_finish", race)
        with pytest.raises(Conflict, match="changed by hand at this very moment"):
            edit("Plan", "one")
    assert read(run).text == "mine\n"


def test_kill_9_of_an_editor_leaves_nothing_half_written(run: Run) -> None:
    """An editor of sections is killed again and again; the file is always one that the ledger knows."""
    script = (
        "import sys; from pathlib import Path; from itertools import count\n"
        "from vibeserve.core.roles import Actor, Role; from vibeserve.core.run import open_run\n"
        "from vibeserve.core.session import Session; from vibeserve.memory import document\n"
        "session = Session(open_run(Path(sys.argv[1])), Actor(Role.ORCHESTRATOR, 'S'))\n"
        "for number in count():\n"
        "    current = {s.name: s.version for s in document.read(session.run).sections}\n"
        "    document.edit(session, 'Plan', f'{number} ' * 500, current.get('Plan', ''))\n"
        "    print(number, flush=True)\n"
    )
    for _ in range(4):
        editor = subprocess.Popen([sys.executable, "-c", script, str(run.layout.root)], stdout=subprocess.PIPE)
        assert editor.stdout is not None
        for _ in range(3):
            editor.stdout.readline()
        editor.kill()
        editor.communicate()
        text = read(run).text
        newest = run.ledger.last("memory.edited")
        assert newest is not None
        assert not newest.body.get("outside")
        assert split(text)[1].version == newest.body["version"]


def test_two_editors_of_one_section_do_not_lose_an_edit(edit: Call, run: Run) -> None:
    version = edit("Plan", "zero")["version"]
    outcomes: list[str] = []

    def attempt(text: str) -> None:
        try:
            edit("Plan", text, version)
            outcomes.append(text)
        except Conflict:
            outcomes.append("conflict")
        finally:
            run.database.close()

    threads = [threading.Thread(target=attempt, args=(text,)) for text in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("conflict") == 2
    winner = next(text for text in outcomes if text != "conflict")
    assert split(read(run).text)[1].text == winner


def test_a_missing_or_unreadable_file(call: Call, edit: Call, run: Run) -> None:
    run.layout.memory.unlink()
    assert call("human", "read_memory") == {"text": "", "outline": []}
    edit("Plan", "one")
    run.layout.memory.write_bytes(b"\xff\xfe")
    with pytest.raises(InfrastructureFailed, match="not UTF-8"):
        edit("More", "x")
    assert run.layout.memory.read_bytes() == b"\xff\xfe"
    run.layout.memory.write_bytes(b"x" * (2**20 + 1))
    with pytest.raises(InfrastructureFailed, match="more than"):
        call("human", "read_memory")


def test_a_long_memory_answers_with_its_outline(call: Call, edit: Call) -> None:
    for number in range(40):
        edit(f"Section {number} {'x' * 60}", f"line about topic {number}\n" + "y" * 400)
    shown = call("orchestrator", "read_memory")
    assert "text" not in shown
    assert len(shown["outline"]) == 30
    assert "10 more sections" in shown["note"]
    assert len(json.dumps(shown).encode()) < LIMIT_BYTES
    found = call("orchestrator", "read_memory", query="TOPIC 7")
    assert found["text"].splitlines()[1:] == ["line about topic 7"]
    everything = call("orchestrator", "read_memory", query="y")
    assert len(json.dumps(everything).encode()) < LIMIT_BYTES
    assert "No section holds" in call("orchestrator", "read_memory", query="absent")["note"]


def test_a_long_section_is_paged(call: Call, run: Run) -> None:
    text = "\n".join(f"line {number} \u6f22" for number in range(1200))
    run.layout.memory.write_text(f"# Memory\n\n## Long\n\n{text}\n")
    pages, offset = [], 0
    while offset is not None:
        shown = call("human", "read_memory", section="Long", offset=offset)
        pages.append(shown["text"])
        offset = shown.get("next_offset")
    assert "".join(pages) == text
    assert len(pages) > 1


def test_sections_that_are_not_there(call: Call, edit: Call) -> None:
    edit("Plan", "x")
    with pytest.raises(NotFound, match="no section 'Plans'") as refusal:
        call("human", "read_memory", section="Plans")
    assert "Plan" in refusal.value.next_step


def test_splitting_loses_nothing(tmp_path: Path) -> None:
    text = "top\n\n## A\r\nx\n## B\n\n### inner\n##no heading\n## A\ny\x0c## C\n"
    sections = split(text)
    assert "".join(section.raw for section in sections) == text
    assert [section.name for section in sections] == ["", "A", "B", "A (2)"]
