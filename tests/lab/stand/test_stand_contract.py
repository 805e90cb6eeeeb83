"""The launch contract of a preset, and the stages that apply to a target."""

from vibeserve.lab.isolation import Limits
from vibeserve.lab.stand.coverage import STAGES, coverage, coverage_with
from vibeserve.lab.stand.judges import judge_limits
from vibeserve.lab.stand.systems import REFERENCE, launch_spec

GIB = 2**30
PRESET = '[presets.tiny]\ndtype = "float32"'


def test_a_preset_may_replace_memory_and_boot_limit(toy_run):
    run = toy_run((PRESET, f"{PRESET}\nmemory_gib = 96\nboot_timeout_s = 600"))
    assert (run.launch.memory_gib, run.launch.boot_timeout_s, run.launch.processes) == (96, 600, 32)
    for tree in ("0" * 40, REFERENCE):
        spec = launch_spec(run, tree)
        assert (spec.limits.memory_bytes, spec.boot_timeout_s) == (96 * GIB, 600)
    assert judge_limits(run, 7) == Limits(wall_s=7, memory_bytes=96 * GIB)


def test_otherwise_the_launch_table_holds_and_judges_have_their_usual_memory(toy_run):
    run = toy_run()
    assert run.launch == run.target.launch
    assert launch_spec(run, REFERENCE).limits.memory_bytes == GIB
    assert judge_limits(run, 7).memory_bytes == Limits().memory_bytes


def test_every_stage_applies_or_does_not(toy_run):
    assert coverage(toy_run()).applies == list(STAGES)
    permissive = toy_run(('reuse = "none"', 'reuse = "prefix"'))
    assert coverage(permissive).not_applicable == ["repeat"]
    assert coverage_with(permissive, served=False).not_applicable == ["repeat", "served"]
