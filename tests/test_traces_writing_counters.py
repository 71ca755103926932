"""Counters of a written trace: the area under them is what was counted, and what is not known has none."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from report_records import Leaf, profile_of
from trace_profiles import (
    ACT,
    BEGAN_NS,
    ENCODER,
    FC1,
    HEAD,
    MATRIX_FLOPS,
    MATRIX_SHAPES,
    STEP_NS,
    TimelineRows,
    Trace,
    cpu_profile,
    cuda_profile,
    events_of,
    written,
)

import layerprof as lp
from layerprof.records import Energy, FrozenMapping, OpProfile
from layerprof.traces.base import DEVICE_LAYERS_PID, LAYERS_PID

NET = [Leaf(path=path, type_name="Layer") for path in ("", "a", "a.b")]


def began_us(trace: Trace) -> float:
    return float((BEGAN_NS - trace["baseTimeNanoseconds"]) / 1000)


def track_of(trace: Trace, name: str) -> list[tuple[float, float]]:
    """Moments in microseconds after the first step's start, and values."""
    return [
        (round(event["ts"] - began_us(trace), 3), event["args"]["value"])
        for event in events_of(trace, "C", pid=LAYERS_PID, name=name)
    ]


def area_of(track: Sequence[tuple[float, float]]) -> float:
    """Of a counter over seconds."""
    return sum((after[0] - before[0]) * 1e-6 * before[1] for before, after in itertools.pairwise(track))


def test_memory_held_follows_the_allocations() -> None:
    track = track_of(written(cpu_profile(steps=1)), "bytes held (host)")

    assert track == [(45.0, 1024.0), (270.0, 3072.0), (480.0, 2048.0), (786.0, 0.0)]


def test_reserved_memory_is_told_where_there_is_any() -> None:
    names = {event["name"] for event in events_of(written(cuda_profile()), "C")}

    assert "bytes reserved (device 0)" in names
    assert not any("reserved (host" in name for name in names)


def test_the_area_under_flops_a_second_is_the_flops_of_the_ops() -> None:
    track = track_of(written(cpu_profile(steps=2)), "FLOP/s of the ops at work")

    assert area_of(track) == pytest.approx(2 * 2 * MATRIX_FLOPS)
    assert track[-1][1] == 0.0


def test_on_a_device_flops_are_spread_over_the_kernels_of_their_op() -> None:
    trace = written(cuda_profile(steps=1))

    track = track_of(trace, "FLOP/s of the kernels at work on device 0")

    assert track == [
        (100.0, pytest.approx(MATRIX_FLOPS / 200e-6)),
        (300.0, 0.0),
        (600.0, pytest.approx(MATRIX_FLOPS / 100e-6)),
        (700.0, 0.0),
    ]
    assert not events_of(trace, "C", name="FLOP/s of the ops at work")


def one_product(*, calls: int = 1) -> lp.Profile:
    """An op with FLOPs whose kernel was launched by an op in it that has none of its own."""
    rows = TimelineRows()
    rows.begin_step(0, STEP_NS)
    call = rows.range(0, 0, 5000)
    outer = rows.op("aten::mm", (0, 4000), around=call, shapes=((2, 2), (2, 2)))
    inner = rows.op("aten::detail", (1000, 2000), around=call, parent=outer)
    rows.kernel("gemm", (3000, 7000), op=inner, around=call, launch_ns=(1000, 1500), correlation=1)
    bare = profile_of(NET)
    product = OpProfile(
        name="aten::mm", shapes=((2, 2), (2, 2)), calls=calls, self_s=None, device_s=None, flops=16 * calls
    )
    root = replace(bare.root, ops=(product,), calls=calls, flops=16 * calls, self_flops=16 * calls)
    return replace(bare, layers=(root, *bare.layers[1:]), unattributed_flops=0, timeline=rows.timeline())


@pytest.mark.parametrize(("calls", "share"), [(1, ""), (2, " (50 % of all FLOPs counted)")])
def test_flops_are_those_of_a_call_and_of_the_op_around_its_kernel(calls: int, share: str) -> None:
    trace = written(one_product(calls=calls))

    (row,) = events_of(trace, "X", pid=DEVICE_LAYERS_PID)

    assert area_of(track_of(trace, f"FLOP/s of the kernels at work on device 0{share}")) == pytest.approx(16)
    assert row["args"]["flops (mean of a call)"] == 16


def test_two_kernels_of_an_op_share_its_flops() -> None:
    profile = cuda_profile(steps=1)
    assert profile.timeline is not None
    kernels = dict(profile.timeline.kernels)
    kernels["kind"] = np.zeros_like(kernels["kind"])  # so that the copy of addmm is a second kernel of it
    timeline = replace(profile.timeline, kernels=FrozenMapping(kernels))

    track = track_of(written(replace(profile, timeline=timeline)), "FLOP/s of the kernels at work on device 0")

    assert area_of(track) == pytest.approx(2 * MATRIX_FLOPS)


def test_ops_that_started_no_kernel_have_a_counter_of_their_own() -> None:
    profile = cuda_profile(steps=1)
    assert profile.timeline is not None
    kernels = {name: column[1:] for name, column in profile.timeline.kernels.items()}
    assert profile.timeline.kernels["range"][0] == FC1
    is_left = ~np.isin(kernels["range"], [FC1])
    timeline = replace(
        profile.timeline, kernels=FrozenMapping({name: column[is_left] for name, column in kernels.items()})
    )

    trace = written(replace(profile, timeline=timeline))

    on_device = track_of(trace, "FLOP/s of the kernels at work on device 0")
    on_host = track_of(trace, "FLOP/s of the ops at work that started no kernel")
    assert area_of(on_device) == pytest.approx(MATRIX_FLOPS)
    assert on_host == [(40.002, pytest.approx(MATRIX_FLOPS / 199.998e-6)), (240.0, 0.0)]


def compiled(profile: lp.Profile) -> lp.Profile:
    """The profile with its encoder compiled: nobody sees the calls in it, and their ops are the encoder's."""
    timeline = profile.timeline
    assert timeline is not None
    ranges, ops, kernels = (dict(table) for table in (timeline.ranges, timeline.ops, timeline.kernels))
    is_left = ~np.isin(ranges["layer"], [FC1, ACT])
    place = np.where(is_left, np.cumsum(is_left) - 1, 1)  # the encoder's, in one step
    for table in (ops, kernels):
        table["range"] = np.where(table["range"] < 0, -1, place[table["range"]])
    ranges["parent"] = np.where(ranges["parent"] < 0, -1, place[ranges["parent"]])
    layers = list(profile.layers)
    unknown = OpProfile(name="aten::addmm", shapes=MATRIX_SHAPES, calls=1, self_s=None, device_s=None, flops=None)
    layers[ENCODER] = replace(layers[ENCODER], ops=(unknown,))
    layers[FC1], layers[ACT] = (replace(layers[at], ops=()) for at in (FC1, ACT))
    tables = {
        "ranges": FrozenMapping({name: column[is_left] for name, column in ranges.items()}),
        "ops": FrozenMapping(ops),
        "kernels": FrozenMapping(kernels),
    }
    return replace(profile, layers=tuple(layers), timeline=replace(timeline, **tables))  # type: ignore[arg-type]


def test_flops_in_a_compiled_layer_are_spread_over_its_work() -> None:
    on_host, on_device = written(compiled(cpu_profile(steps=1))), written(compiled(cuda_profile(steps=1)))

    host = track_of(on_host, "FLOP/s of the ops at work")
    device = track_of(on_device, "FLOP/s of the kernels at work on device 0")
    work_us = (245.0 - 35.001) + (485.0 - 265.0)  # its outermost ops
    assert host[0] == pytest.approx((35.001, MATRIX_FLOPS / (work_us * 1e-6)))
    assert area_of(host) == pytest.approx(2 * MATRIX_FLOPS)
    assert device[0] == pytest.approx((100.0, MATRIX_FLOPS / (200e-6 + 110e-6 + 40e-6)))  # all but the copy
    assert area_of(device) == pytest.approx(2 * MATRIX_FLOPS)


def test_flops_that_no_op_can_have_are_told_with_their_share() -> None:
    profile = cpu_profile(steps=2)

    trace = written(replace(profile, unattributed_flops=8 * MATRIX_FLOPS))  # besides the two products' own

    assert area_of(track_of(trace, "FLOP/s of the ops at work (20 % of all FLOPs counted)")) == pytest.approx(
        4 * MATRIX_FLOPS
    )
    note = trace["layerprof"]["notes"][-1]
    assert note["code"] == "flops_without_place"
    assert " have 20 % of the FLOPs " in note["text"]


def powered(profile: lp.Profile, watts: dict[int, float]) -> lp.Profile:
    """The profile with the power of some layers, by position."""
    layers = [
        replace(layer, self_energy=replace(ENERGY, power_w=watts[at]) if at in watts else None)
        for at, layer in enumerate(profile.layers)
    ]
    return replace(profile, layers=tuple(layers))


ENERGY = Energy(
    total_j=0.002, kind="replayed", source="nvml_energy", ci95_j=None, window_s=1.0, resolution_s=0.1, power_w=1.0
)
POWER = "power of the layer at work (W), replayed by nvml_energy; 0 where none is"


def test_power_of_the_layer_at_work_says_how_it_was_got() -> None:
    profile = powered(cpu_profile(steps=1), {0: 10.0, ENCODER: 20.0, FC1: 250.0, ACT: 30.0, HEAD: 40.0})

    track = track_of(written(profile), POWER)

    assert track[:5] == [(10.0, 10.0), (20.0, 20.0), (30.0, 250.0), (250.0, 20.0), (260.0, 30.0)]
    assert track[-1] == (800.0, 0.0)


def test_power_that_is_not_known_for_all_the_work_is_no_counter() -> None:
    names = [
        {event["name"] for event in events_of(written(profile), "C")}
        for profile in (cpu_profile(steps=1), cuda_profile(steps=1), powered(cpu_profile(), {0: float("nan")}))
    ]

    assert not [name for name in set().union(*names) if name.startswith("power of the layer")]


def test_power_that_is_known_for_nearly_all_the_work_says_for_how_much() -> None:
    rows = TimelineRows()
    rows.begin_step(0, STEP_NS)
    rows.range(0, 0, 100_000)
    rows.range(1, 40_000, 40_500, parent=0)
    profile = powered(replace(profile_of(NET), timeline=rows.timeline()), {0: 25.0})

    name = POWER.replace(";", ", known for 99.50 % of the time at work;")
    track = track_of(written(profile), name)

    assert track == [(0.0, 25.0), (100.0, 0.0)]


@pytest.mark.parametrize("joules", [float("nan"), float("inf")])
def test_joules_that_are_no_number_are_no_fact(joules: float) -> None:
    profile = cpu_profile(steps=1)
    layers = [replace(layer, energy=replace(ENERGY, total_j=joules)) for layer in profile.layers]

    trace = written(replace(profile, layers=tuple(layers)))

    facts = [event["args"] for event in events_of(trace, "X", pid=LAYERS_PID)]
    assert facts
    assert not [name for known in facts for name in known if name.startswith("energy")]


def test_sampled_counters_keep_their_names() -> None:
    rows = TimelineRows()
    rows.begin_step(0, STEP_NS)
    for at_ns, value in ((3000, 3.0), (1000, 1.5), (2000, float("nan")), (4000, 3.0)):
        rows.counter("watts", at_ns, value)

    trace = written(replace(profile_of(NET), timeline=rows.timeline()))

    assert track_of(trace, "watts") == [(1.0, 1.5), (3.0, 3.0)]


def test_what_nobody_knows_has_no_counter() -> None:
    rows = TimelineRows()
    rows.begin_step(0, STEP_NS)
    rows.range(0, 0, 500)
    rows.op("aten::add", (0, 400), around=0)

    assert events_of(written(replace(profile_of(NET), timeline=rows.timeline())), "C") == []
