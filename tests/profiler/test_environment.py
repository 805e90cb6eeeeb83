"""The machine that a figure belongs to."""

from vibeserve.profiler.environment import differences, environment


def test_a_machine_is_like_itself_and_names_what_is_measured_with() -> None:
    here = environment()
    assert here == environment() and differences(here, environment()) == ""
    assert int(here["cores"]) > 0 and {"cpu", "kernel", "python"} <= here.keys()


def test_differences_name_both_sides() -> None:
    assert differences({"cpu": "a", "torch": "1"}, {"cpu": "b", "torch": "1"}) == "cpu: a there, b here"
    assert differences({"torch": "1"}, {}) == "torch: 1 there, none here"
