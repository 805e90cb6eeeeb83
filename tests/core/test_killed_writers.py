"""kill -9 of three writers in the middle of their transactions, a few times over: nothing half written."""

import subprocess
import sys
from pathlib import Path

from vibeserve.core.audit import audit
from vibeserve.core.run import Run

ROUNDS = 4
WRITERS = 3
WRITE = """
import sys
from itertools import count
from pathlib import Path
from vibeserve.core.roles import Actor, Role
from vibeserve.core.run import open_run
run = open_run(Path(sys.argv[1]))
actor = Actor(Role.HUMAN, sys.argv[2])
for number in count():
    with run.tx() as tx:
        name = f"{sys.argv[2]}-{number}"
        tx.execute("INSERT INTO written VALUES (?, 1)", (name,))
        tx.append(actor, "turn.started", name, {"turn": name, "text": "x" * 500})
        tx.execute("UPDATE written SET complete = 2 WHERE name = ?", (name,))
    if number == 5:
        print("writing", flush=True)
"""


def writer(root: Path, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITE, str(root), name], stdout=subprocess.PIPE, text=True)


def test_killed_writers_leave_whole_records_only(run: Run) -> None:
    run.database.migrate("written", ["CREATE TABLE written (name TEXT PRIMARY KEY, complete INTEGER);"])
    for number in range(ROUNDS):
        writers = [writer(run.layout.root, f"W{number}.{index}") for index in range(WRITERS)]
        for one in writers:
            assert one.stdout is not None
            assert one.stdout.readline() == "writing\n"
        for one in writers:
            one.kill()
            one.communicate()
        assert audit(run).ok, audit(run).problem
        recorded = {record.subject for record in run.ledger.records("turn.started")}
        rows = run.database.read("SELECT name, complete FROM written")
        assert {row["name"] for row in rows} == recorded
        assert {row["complete"] for row in rows} == {2}
    assert run.ledger.count("turn.started") >= ROUNDS * WRITERS * 6
