"""Sides, the lease, the order, and figures: what makes a timed section fair."""

import contextlib
import json
import math
import subprocess
import sys
import threading
import time

import pytest

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.lab.judging import Answer, Score
from vibeserve.profiler.environment import environment
from vibeserve.profiler.lease import device_lease, runtime_folder
from vibeserve.profiler.pairs import balanced_order
from vibeserve.profiler.served import as_whole
from vibeserve.profiler.sides import start_side
from vibeserve.profiler.windows import busy_s, figure

BUSY = """
import threading

def burn():
    while True:
        pass

class Engine:
    def __init__(self, model):
        threading.Thread(target=burn, daemon=True).start()
"""


@pytest.mark.usefixtures("sandboxes_work")
def test_only_the_side_being_timed_runs(toy_run, submit, evaluator, tmp_path):
    run = toy_run()
    submit(run, BUSY)
    tree = run.ledger.last("candidate.submitted").subject
    with contextlib.ExitStack() as stack:
        side = start_side(evaluator(run), stack, tree, tmp_path, is_candidate=True)
        frozen_s = side.service.process.cpu_s()
        time.sleep(0.4)
        assert side.service.process.cpu_s() == frozen_s
        with side.running():
            while side.service.process.cpu_s() <= frozen_s + 0.1:
                time.sleep(0.02)
        frozen_s = side.service.process.cpu_s()
        time.sleep(0.4)
        assert side.service.process.cpu_s() == frozen_s
        assert side.service.process.running()
    assert not side.service.process.running()


HOLD = """
import sys, threading, time
from pathlib import Path
from vibeserve.profiler.lease import device_lease
with device_lease("host", threading.Event(), lambda message: None, Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_lease_is_exclusive_and_dies_with_its_holder(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        messages: list[str] = []

        def heard(message: str) -> None:
            messages.append(message)
            if len(messages) == 3:
                holder.kill()

        with device_lease("host", threading.Event(), heard, tmp_path):
            assert len(messages) >= 3 and "host" in messages[0]
        with device_lease("host", threading.Event(), messages.append, tmp_path):
            pass  # given back
    finally:
        holder.kill()
        holder.communicate()


def test_two_devices_have_two_leases_and_waiting_can_be_cancelled(tmp_path):
    cancelled = threading.Event()
    with (
        device_lease("one", cancelled, print, tmp_path),
        device_lease("other", cancelled, print, tmp_path),
        pytest.raises(InfrastructureFailed, match="waiting"),
        device_lease("one", cancelled, lambda message: cancelled.set(), tmp_path),
    ):
        pytest.fail("the lease was given twice")


def test_the_runtime_folder_must_be_ones_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert runtime_folder() == tmp_path / "vibeserve"
    runtime_folder().rmdir()
    (tmp_path / "vibeserve").symlink_to(tmp_path)
    with pytest.raises(InfrastructureFailed, match="does not belong"):
        runtime_folder()


def test_half_of_the_pairs_begin_with_the_candidate():
    orders = [balanced_order(8) for _ in range(20)]
    assert all(sum(order) == 4 for order in orders) and len({tuple(order) for order in orders}) > 1
    assert sum(balanced_order(3)) == 2


@pytest.mark.parametrize("value", [None, "5", True, -1, math.nan, math.inf, [1]])
def test_a_figure_must_be_a_finite_number(value):
    with pytest.raises(InfrastructureFailed, match=r"a\.b"):
        figure({"a": {"b": value}}, "a.b")


def test_a_figure_is_found_by_its_path_and_void_beside_it():
    assert figure({"a": {"b": 3, "void": None}}, "a.b") == (3.0, None)
    assert figure({"b": 3.5, "void": "late"}, "b") == (3.5, "late")
    assert figure({"a": {"void": "nothing came"}}, "a.b") == (None, "nothing came")
    with pytest.raises(InfrastructureFailed):
        figure({"a": [1]}, "a.b.c")


def answer(**changes) -> Answer:
    fields = {"endpoint": "completions", "prompt": "p", "max_tokens": 4, "text": "ab", "token_ids": (1, 2, 3)}
    return Answer(**(fields | {"finish_reason": None} | changes))


def test_a_cut_stream_is_judged_as_far_as_it_went():
    score = Score(gaps=(0, 0, 0), agreement=1, text="abc")
    whole = as_whole(answer(), score)
    assert (whole.finish_reason, whole.max_tokens, whole.text) == ("length", 3, "abc")
    assert as_whole(answer(text="xy"), score).text == "xy"
    assert as_whole(answer(max_tokens=2), score).max_tokens == 2  # more ids than were asked for
    finished = answer(finish_reason="length")
    assert as_whole(finished, score) is finished


def test_the_environment_names_machine_and_versions():
    found = environment()
    assert found["cores"] >= 1 and found["memory_bytes"] > 0 and found["python"].startswith("3.")
    assert json.loads(json.dumps(found)) == found


def test_the_machines_work_is_counted():
    before = busy_s()
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    assert busy_s() - before > 0.2
