"""Every net of the zoo through `profile`: rows, call tree and books are exactly what the net says they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import layerprof as lp
from layerprof.testing import (
    PRODUCT_FLOPS,
    TICK_S,
    ZOO,
    Expected,
    KnownNet,
    NestedNet,
    RecursiveNet,
    SharedNet,
    ThreadNet,
    UnusedNet,
)

PASSES = ("time", "flops", "memory")
REPEATS = 3


def profile_of(net: KnownNet, *, repeats: int = REPEATS, warmup: int = 1) -> lp.Profile:
    return lp.profile(net, net.inputs, clock=net.clock, passes=PASSES, warmup=warmup, repeats=repeats)


def expected_of(layer: lp.LayerProfile) -> Expected:
    """A row in the words of an answer, once it is the same in every step."""
    assert layer.flops is not None
    assert layer.self_flops is not None
    return Expected(
        calls=layer.calls,
        self_s=_constant(layer.self_s),
        total_s=_constant(layer.total_s),
        self_flops=layer.self_flops,
        flops=layer.flops,
        concurrent_s=_constant(layer.concurrent_s),
    )


def _constant(distribution: lp.Distribution | None) -> float:
    assert distribution is not None
    assert distribution.samples == (distribution.samples[0],) * REPEATS
    return distribution.samples[0]


def calls_in(tree: lp.CallNode | None) -> dict[tuple[str, ...], int]:
    """Call path to calls, callers first; a top node that stands for the step's range is left out of the paths."""
    assert tree is not None
    top = tree if tree.calls else None
    found = _walk(top, ()) if top else [pair for child in tree.children for pair in _walk(child, ())]
    return dict(found)


def _walk(node: lp.CallNode, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    path = (*above, node.path)
    yield path, node.calls
    for child in node.children:
        yield from _walk(child, path)


@pytest.fixture(params=ZOO)
def net(request: pytest.FixtureRequest) -> KnownNet:
    made: KnownNet = request.param()
    return made


def test_every_row_is_what_the_net_says(net: KnownNet) -> None:
    profile = profile_of(net)

    assert {layer.path: expected_of(layer) for layer in profile.layers} == net.answers.layers


def test_the_call_tree_is_what_the_net_says(net: KnownNet) -> None:
    tree = profile_of(net).call_tree

    assert calls_in(tree) == net.answers.calls


def test_the_books_close_on_every_step(net: KnownNet) -> None:
    profile = profile_of(net)

    step = (net.answers.step_s,) * REPEATS
    assert profile.step_s == profile.latency_s == lp.Distribution(samples=step)
    assert profile.unattributed_s == lp.Distribution(samples=(0.0,) * REPEATS)
    assert profile.unattributed_flops == 0
    assert profile.step_flops == profile.phases[0].flops == net.answers.step_flops
    assert profile.uncounted == ()


def test_every_check_holds(net: KnownNet) -> None:
    checks = profile_of(net).checks

    assert [check for check in checks if not check.ok] == []
    assert {check.name for check in checks} == {
        "paths_unique",
        "stages_partition",
        "host_time_books",
        "flops_books",
        "call_tree_nests",
        "call_tree_is_rows",
        "finite_and_non_negative",
        "missing_is_explained",
    }


def test_nothing_is_noted_of_a_net_that_does_the_same_in_every_step(net: KnownNet) -> None:
    notes = profile_of(net).notes

    assert {note.code for note in notes} == {"not_available"}


def test_a_second_profile_is_the_same(net: KnownNet) -> None:
    first, second = profile_of(net), profile_of(net)

    assert second == first


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
