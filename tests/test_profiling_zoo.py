"""Every net of the zoo through `profile`: rows, call tree and books are exactly what the net says they are."""

from __future__ import annotations

import pytest
from answers import REPEATS, calls_in, failed_checks, profile_of, rows_of

import layerprof as lp
from layerprof.testing import (
    PRODUCT_FLOPS,
    TICK_S,
    ZOO,
    KnownNet,
    NestedNet,
    RecursiveNet,
    SharedNet,
    ThreadNet,
    UnusedNet,
)


@pytest.fixture(scope="module", params=ZOO)
def net(request: pytest.FixtureRequest) -> KnownNet:
    made: KnownNet = request.param()
    return made


@pytest.fixture(scope="module")
def profile(net: KnownNet) -> lp.Profile:
    return profile_of(net)


def test_every_row_is_what_the_net_says(net: KnownNet, profile: lp.Profile) -> None:
    assert rows_of(profile) == net.answers.layers


def test_the_call_tree_is_what_the_net_says(net: KnownNet, profile: lp.Profile) -> None:
    assert calls_in(profile.call_tree) == net.answers.calls


def test_the_books_close_on_every_step(net: KnownNet, profile: lp.Profile) -> None:
    step = (net.answers.step_s,) * REPEATS

    assert profile.step_s == profile.latency_s == lp.Distribution(samples=step)
    assert profile.unattributed_s == lp.Distribution(samples=(0.0,) * REPEATS)
    assert profile.unattributed_flops == 0
    assert profile.step_flops == profile.phases[0].flops == net.answers.step_flops
    assert profile.uncounted == ()


def test_every_check_holds(profile: lp.Profile) -> None:
    assert failed_checks(profile) == []
    assert {check.name for check in profile.checks} == {
        "paths_unique",
        "stages_partition",
        "host_time_books",
        "flops_books",
        "bytes_books",
        "phase_books",
        "peak_books",
        "call_tree_nests",
        "call_tree_is_rows",
        "finite_and_non_negative",
        "missing_is_explained",
    }


def test_nothing_but_what_is_missing_is_noted_of_a_net_that_does_the_same_in_every_step(profile: lp.Profile) -> None:
    codes = {note.code for note in profile.notes}
    of_layers = {note.quantity for note in profile.notes if note.scope == "*"}

    assert codes - {"no_work"} == {"not_by_phase", "no_device", "pass_not_asked"}
    assert ("no_work" in codes) == any(row.bytes_moved == 0 for row in (*profile.layers, *profile.stages))
    assert {getattr(layer, name) for layer in profile.layers for name in of_layers} <= {None, ()}
    assert [note.scope for note in profile.notes if note.code == "not_by_phase"] == ["phase forward"]


def test_a_plain_call_is_one_forward(profile: lp.Profile) -> None:
    assert [(phase.name, phase.steps) for phase in profile.phases] == [("forward", 1)]


def test_a_second_profile_is_the_same(net: KnownNet, profile: lp.Profile) -> None:
    again = profile_of(net, ceilings=profile.ceilings)  # another process may have measured better ones since

    assert again == profile


@pytest.mark.parametrize(("warmup", "repeats"), [(0, 1), (0, 2), (1, 6), (2, 5)])
def test_there_are_as_many_steps_as_were_asked_for(warmup: int, repeats: int) -> None:
    profile = profile_of(NestedNet(), warmup=warmup, repeats=repeats)

    samples = [layer.self_s.n for layer in profile.layers if layer.self_s]
    assert profile.latency_s is not None
    assert profile.step_s is not None
    assert profile.latency_s.n == profile.step_s.n == repeats
    assert samples == [repeats] * len(profile.layers)
    assert (profile.warmup_s.n if profile.warmup_s else 0) == warmup


def test_instruments_that_take_no_time_have_no_overhead() -> None:
    profile = profile_of(NestedNet(), repeats=6)

    assert profile.overhead == (lp.Overhead(pass_name="time", ratio=1.0, ci95=(1.0, 1.0)),)


def test_the_plateau_and_the_narrow_interval_end_a_steady_measurement_early() -> None:
    net = NestedNet()

    profile = lp.profile(net, net.inputs, clock=net.clock, passes=("time",))

    assert profile.warmup_s is not None
    assert profile.latency_s is not None
    assert profile.warmup_s.n == profile.latency_s.n == 6


def test_an_alias_gives_the_owners_row() -> None:
    profile = profile_of(SharedNet())

    row = profile[SharedNet.alias]

    assert row is profile["left.child"]
    assert row.aliases == (SharedNet.alias,)


def test_a_shared_layer_is_called_as_the_name_under_its_caller() -> None:
    tree = profile_of(SharedNet()).call_tree

    assert tree is not None
    assert [node.called_as for node in tree.walk()] == ["", "left", "left.child", "right", "right.child"]


def test_a_shared_layer_is_told_apart_by_caller() -> None:
    tree = profile_of(SharedNet()).call_tree

    assert tree is not None
    of_shared = [node for node in tree.walk() if node.path == "left.child"]
    assert [node.flops for node in of_shared] == [PRODUCT_FLOPS, 2 * PRODUCT_FLOPS]
    assert [node.total_s for node in of_shared] == [
        lp.Distribution(samples=(3 * TICK_S,) * REPEATS),
        lp.Distribution(samples=(6 * TICK_S,) * REPEATS),
    ]


def test_recursion_is_added_once_to_the_total_and_each_time_to_the_self_time() -> None:
    tree = profile_of(RecursiveNet()).call_tree

    assert tree is not None
    ticks = [node.total_s.median / TICK_S for node in tree.walk() if node.path == "again" and node.total_s]
    assert ticks == [6, 4, 2]


def test_a_layer_on_another_thread_is_marked_in_the_call_tree() -> None:
    tree = profile_of(ThreadNet()).call_tree

    assert tree is not None
    assert [node.path for node in tree.walk() if node.is_concurrent] == ["aside"]


def test_a_layer_that_is_never_called_is_in_no_phase() -> None:
    profile = profile_of(UnusedNet())

    assert profile["unused"].by_phase == {}
    assert set(profile["used"].by_phase) == {"forward"}


def test_a_phase_of_a_layer_holds_the_rows_own_numbers() -> None:
    row = profile_of(NestedNet())["block"]

    phase = row.by_phase["forward"]

    assert (phase.calls, phase.self_s, phase.total_s, phase.flops) == (row.calls, row.self_s, row.total_s, row.flops)
