"""Each check can fail: a profile that was tampered with fails the one that guards what was changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

import layerprof as lp
from layerprof.attribute import checks_of
from layerprof.records import FrozenMapping, MemorySummary, Quantities
from layerprof.testing import NestedNet, OptimizerNet, ThreadNet

STEPS = 2


@pytest.fixture(scope="module")
def profile() -> lp.Profile:
    net = NestedNet()
    return lp.profile(net, net.inputs, clock=net.clock, passes=("time", "flops", "memory"), warmup=0, repeats=STEPS)


def failed(profile: lp.Profile) -> set[str]:
    return {check.name for check in checks_of(profile) if not check.ok}


def row(profile: lp.Profile, path: str, **changes: object) -> lp.Profile:
    """The profile with one row changed."""
    return replace(profile, layers=tuple(_changed(layer, path, changes) for layer in profile.layers))


def _changed(layer: lp.LayerProfile, path: str, changes: Mapping[str, object]) -> lp.LayerProfile:
    return replace(layer, **changes) if layer.path == path else layer  # type: ignore[arg-type]  # by field name


def node(profile: lp.Profile, path: str, **changes: object) -> lp.Profile:
    """The profile with the nodes of one path changed in its call tree."""

    def changed(one: lp.CallNode) -> lp.CallNode:
        below = replace(one, children=tuple(map(changed, one.children)))
        return replace(below, **changes) if one.path == path else below  # type: ignore[arg-type]  # by field name

    assert profile.call_tree is not None
    return replace(profile, call_tree=changed(profile.call_tree))


def phase(profile: lp.Profile, path: str, **changes: object) -> FrozenMapping[Quantities]:
    """The phases of a layer with its one phase changed."""
    (name,) = profile[path].by_phase
    return FrozenMapping({name: replace(profile[path].by_phase[name], **changes)})  # type: ignore[arg-type]  # by name


def memory(profile: lp.Profile) -> MemorySummary:
    """What is said of the step's memory."""
    assert profile.memory is not None
    return profile.memory


def seconds(value: float) -> lp.Distribution:
    return lp.Distribution(samples=(value,) * STEPS)


def plus(distribution: lp.Distribution | None, more_s: float) -> lp.Distribution:
    """With its last sample alone changed."""
    assert distribution is not None
    return lp.Distribution(samples=(*distribution.samples[:-1], distribution.samples[-1] + more_s))


Tamper = Callable[[lp.Profile], lp.Profile]

TAMPERINGS: dict[str, tuple[Tamper, set[str]]] = {
    "two rows of one path": (
        lambda profile: replace(profile, layers=(*profile.layers, profile.layers[-1])),
        {"paths_unique", "stages_partition", "host_time_books", "flops_books", "bytes_books", "phase_books"},
    ),
    "a phase whose flops its layers did not do": (
        lambda profile: replace(profile, phases=(replace(profile.phases[0], flops=0, name="forward"),)),
        {"flops_books", "phase_books"},
    ),
    "a phase whose rest under no layer is too long": (
        lambda profile: replace(
            profile,
            phases=(
                replace(profile.phases[0], unattributed_s=plus(profile.phases[0].unattributed_s, 1e-6)),
                *profile.phases[1:],
            ),
        ),
        {"phase_books"},
    ),
    "an alias that is a path": (lambda profile: row(profile, "head", aliases=("block",)), {"paths_unique"}),
    "a layer in no stage": (
        lambda profile: replace(profile, stages=profile.stages[:-1]),
        {"stages_partition"},
    ),
    "a layer in two stages": (
        lambda profile: replace(profile, stages=(*profile.stages, replace(profile.stages[0], name="again"))),
        {"stages_partition"},
    ),
    "time that came from nowhere": (
        lambda profile: replace(profile, unattributed_s=plus(profile.unattributed_s, 1e-9)),
        {"host_time_books"},
    ),
    "a step longer than its parts": (
        lambda profile: replace(profile, step_s=plus(profile.step_s, 1e-9)),
        {"host_time_books", "phase_books"},
    ),
    "negative time left": (
        lambda profile: replace(
            profile, unattributed_s=plus(profile.unattributed_s, -1e-3), step_s=plus(profile.step_s, -1e-3)
        ),
        {"host_time_books", "phase_books", "finite_and_non_negative"},
    ),
    "self time in a row alone": (
        lambda profile: row(profile, "head", self_s=plus(profile["head"].self_s, 1e-6)),
        {"host_time_books", "phase_books", "call_tree_is_rows"},
    ),
    "flops of no layer": (
        lambda profile: replace(profile, unattributed_flops=1),
        {"flops_books"},
    ),
    "bytes of no layer": (
        lambda profile: replace(profile, unattributed_bytes_moved=1),
        {"bytes_books"},
    ),
    "bytes in a row alone": (
        lambda profile: row(profile, "head", self_bytes_moved=1),
        {"bytes_books"},
    ),
    "flops in no format": (
        lambda profile: row(profile, "head", flops_by_dtype=FrozenMapping({})),
        {"flops_books"},
    ),
    "flops in a row alone": (
        lambda profile: row(profile, "head", self_flops=(profile["head"].self_flops or 0) + 1),
        {"flops_books", "phase_books", "call_tree_is_rows"},
    ),
    "a call longer than its caller": (
        lambda profile: node(profile, "block.child", total_s=seconds(1.0)),
        {"call_tree_nests", "call_tree_is_rows"},
    ),
    "more flops than its caller": (
        lambda profile: node(profile, "block.child", flops=10**9),
        {"call_tree_nests", "call_tree_is_rows"},
    ),
    "flops in the call tree alone": (
        lambda profile: node(profile, "head", self_flops=1),
        {"call_tree_is_rows"},
    ),
    "self time in the call tree alone": (
        lambda profile: node(profile, "head", self_s=seconds(1.0)),
        {"call_tree_is_rows"},
    ),
    "a node that no row has": (
        lambda profile: node(profile, "block", children=()),
        {"call_tree_is_rows"},
    ),
    "time in a layer's phase alone": (
        lambda profile: row(profile, "head", by_phase=phase(profile, "head", self_s=seconds(1.0))),
        {"phase_books"},
    ),
    "flops in a layer's phase alone": (
        lambda profile: row(profile, "head", by_phase=phase(profile, "head", flops=1)),
        {"phase_books"},
    ),
    "own flops in a layer's phase alone": (
        lambda profile: row(profile, "head", by_phase=phase(profile, "head", self_flops=1)),
        {"phase_books"},
    ),
    "a layer without its phase": (
        lambda profile: row(profile, "head", by_phase=FrozenMapping({})),
        {"phase_books"},
    ),
    "a phase longer than the step": (
        lambda profile: replace(
            profile, phases=(replace(profile.phases[0], total_s=plus(profile.phases[0].total_s, 1e-6)),)
        ),
        {"phase_books"},
    ),
    "an owner of the peak missing": (
        lambda profile: replace(profile, memory=replace(memory(profile), owners=memory(profile).owners[1:])),
        {"peak_books"},
    ),
    "a peak higher than its owners": (
        lambda profile: replace(
            profile, memory=replace(memory(profile), step_peak_bytes=memory(profile).step_peak_bytes + 1)
        ),
        {"peak_books"},
    ),
    "bytes at the peak in a row alone": (
        lambda profile: row(profile, "head", self_at_peak_bytes=(profile["head"].self_at_peak_bytes or 0) + 1),
        {"peak_books"},
    ),
    "negative bytes": (lambda profile: row(profile, "head", peak_bytes=-1), {"finite_and_non_negative"}),
    "a number that is none": (lambda profile: row(profile, "head", intensity=math.nan), {"finite_and_non_negative"}),
    "a number without end": (lambda profile: row(profile, "head", efficiency=math.inf), {"finite_and_non_negative"}),
    "a negative total": (
        lambda profile: row(profile, "head", total_s=seconds(-1.0)),
        {"finite_and_non_negative", "call_tree_is_rows"},
    ),
    "total time in a row alone": (
        lambda profile: row(profile, "head", total_s=plus(profile["head"].total_s, 1e-6)),
        {"call_tree_is_rows"},
    ),
    "total flops in a row alone": (
        lambda profile: row(profile, "head", flops=(profile["head"].flops or 0) + 1),
        {"flops_books", "phase_books", "call_tree_is_rows"},
    ),
    "a stage of negative time": (
        lambda profile: replace(
            profile, stages=(replace(profile.stages[0], self_s=seconds(-1.0)), *profile.stages[1:])
        ),
        {"finite_and_non_negative"},
    ),
    "a latency missing without a note": (lambda profile: replace(profile, latency_s=None), {"missing_is_explained"}),
    "missing without a note": (
        lambda profile: row(profile, "head", peak_bytes=None),
        {"missing_is_explained"},
    ),
    "missing with no notes at all": (lambda profile: replace(profile, notes=()), {"missing_is_explained"}),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampered_profile_fails_the_checks_that_guard_it(profile: lp.Profile, name: str) -> None:
    tamper, names = TAMPERINGS[name]

    assert failed(tamper(profile)) == names


def test_a_profile_as_it_was_measured_fails_none(profile: lp.Profile) -> None:
    assert failed(profile) == set()
    assert checks_of(profile) == profile.checks


def test_every_check_is_failed_by_one_of_the_tamperings(profile: lp.Profile) -> None:
    guarded = {name for _, names in TAMPERINGS.values() for name in names}

    assert guarded == {check.name for check in profile.checks}


def test_a_check_says_the_numbers_behind_its_verdict(profile: lp.Profile) -> None:
    details = {check.name: check.detail for check in checks_of(replace(profile, unattributed_flops=1))}

    assert details["flops_books"] == "layers + unattributed = 193, step = 192"
    assert details["paths_unique"] == "4 layers under 4 names"


def test_what_was_not_measured_is_not_checked(profile: lp.Profile) -> None:
    bare = replace(
        profile, step_s=None, unattributed_s=None, unattributed_flops=None, call_tree=None, phases=(), memory=None
    )

    names = {check.name for check in checks_of(bare)}

    assert names == {"paths_unique", "stages_partition", "finite_and_non_negative", "missing_is_explained"}


def test_time_on_another_thread_is_out_of_the_books_and_would_break_them() -> None:
    net = ThreadNet()
    profile = lp.profile(net, net.inputs, clock=net.clock, passes=("time",), warmup=0, repeats=STEPS)

    assert failed(row(profile, "aside", concurrent_s=seconds(0.0))) == {"host_time_books"}


def test_a_layers_phases_add_up_to_its_row_in_training_too() -> None:
    net = OptimizerNet()
    trained = lp.profile(
        net, call=net.step, train=True, clock=net.clock, passes=("time", "flops"), warmup=0, repeats=STEPS
    )
    forward = trained["child"].by_phase["forward"]

    assert failed(trained) == set()
    assert failed(row(trained, "child", by_phase=FrozenMapping({"forward": forward}))) == {"phase_books"}


def test_a_note_of_a_glob_explains_what_it_covers(profile: lp.Profile) -> None:
    note = lp.Note(code="calls_unseen", quantity="peak_bytes", scope="block*", text="inside compiled code")
    missing = row(profile, "block.child", peak_bytes=None)

    assert failed(replace(missing, notes=(*missing.notes, note))) == set()
