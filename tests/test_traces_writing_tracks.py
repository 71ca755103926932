"""Tracks on which slices nest, arrows between slices, and counters whose area is what was counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_records import Leaf, profile_of
from trace_profiles import (
    BEGAN_NS,
    ENGINE_THREAD,
    STEP_THREAD,
    Event,
    TimelineRows,
    Trace,
    cuda_profile,
    events_of,
    overlaps_in,
    written,
)

import layerprof as lp
from layerprof.traces.base import HOST_PID, LAYERS_PID

LAYERS = 3
SPAN = st.tuples(st.integers(0, 60), st.integers(0, 40))
NET = [Leaf(path=path, type_name="Layer") for path in ("", "a", "a.b")]


def began_us(trace: Trace) -> float:
    return float((BEGAN_NS - trace["baseTimeNanoseconds"]) / 1000)


def random_profile(
    ranges: Sequence[tuple[int, int]], ops: Sequence[tuple[int, int]], kernels: Sequence[tuple[int, int]]
) -> lp.Profile:
    """Spans anywhere, on two threads and two streams; they bleed past one another as they like."""
    rows = TimelineRows()
    rows.begin_step(0, 100)
    rows.phase(0, 0, 50)
    rows.phase(0, 50, 100)
    for place, (start, length) in enumerate(ranges):
        thread = (STEP_THREAD, ENGINE_THREAD)[place % 2]
        rows.range(place % LAYERS, start, start + length, thread=thread)
    for place, (start, length) in enumerate(ops):
        thread = (STEP_THREAD, ENGINE_THREAD)[place % 2]
        around = place % len(ranges) if ranges else -1
        rows.op("aten::add", (start, start + length), around=around, thread=thread)
    for place, (start, length) in enumerate(kernels):
        rows.kernel(
            "k",
            (start, start + length),
            around=place % len(ranges) if ranges else -1,
            launch_ns=(start // 2, start // 2 + 3),
            correlation=place,
            place=(0, 7 + place % 2),
        )
    return replace(profile_of(NET), timeline=rows.timeline())


@settings(max_examples=80, deadline=None)
@given(st.lists(SPAN, max_size=8), st.lists(SPAN, max_size=12), st.lists(SPAN, max_size=10))
def test_slices_of_a_track_nest_or_follow_one_another_whatever_was_recorded(
    ranges: list[tuple[int, int]], ops: list[tuple[int, int]], kernels: list[tuple[int, int]]
) -> None:
    trace = written(random_profile(ranges, ops, kernels))

    assert overlaps_in(trace) == []


@settings(max_examples=150, deadline=None)
@given(st.lists(SPAN, min_size=1, max_size=10))
def test_no_activity_of_a_device_is_cut_off(kernels: list[tuple[int, int]]) -> None:
    trace = written(random_profile([], [], kernels))

    found = [
        (round(1000 * (event["ts"] - began_us(trace))), round(1000 * event["dur"]))
        for event in events_of(trace, "X", cat="kernel")
    ]
    assert sorted(found) == sorted(kernels)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**9), st.integers(0, 10**9)), max_size=20))
def test_what_ends_together_in_nanoseconds_ends_together_in_float64(spans: list[tuple[int, int, int]]) -> None:
    rows = TimelineRows()
    rows.begin_step(0, 10**13)
    for place, (start, first, second) in enumerate(spans):  # one thread each, so that nothing is cut off
        rows.op("outer", (start, start + first + second), thread=place)
        rows.op("inner", (start + first, start + first + second), thread=place)

    trace = written(replace(profile_of(NET), timeline=rows.timeline()))

    ops = events_of(trace, "X", cat="cpu_op")
    ends = {
        name: sorted(event["ts"] + event["dur"] for event in ops if event["name"] == name)
        for name in ("outer", "inner")
    }
    assert ends["outer"] == ends["inner"]


@pytest.mark.parametrize("for_plugin", [False, True])
def test_a_training_steps_slices_nest(for_plugin: bool) -> None:
    assert overlaps_in(written(cuda_profile(), for_plugin=for_plugin)) == []


def test_the_checker_finds_what_does_not_nest() -> None:
    crossing = [(0.0, 10.0), (5.0, 10.0)]
    events: list[Event] = [{"ph": "X", "pid": 1, "tid": 1, "ts": ts, "dur": dur} for ts, dur in crossing]

    assert len(overlaps_in({"traceEvents": events})) == 1
    assert len(overlaps_in({"traceEvents": [{**events[0], "ts": 11.0}, events[1]]})) == 1  # out of order


def test_a_kernel_that_overlaps_the_one_before_it_has_a_lane_of_its_own() -> None:
    trace = written(cuda_profile(steps=1))

    names = {event["tid"]: event["args"]["name"] for event in events_of(trace, "M", pid=0, name="thread_name")}
    tracks = {event["name"]: names[event["tid"]] for event in events_of(trace, "X", pid=0)}

    assert tracks["gemm_fc1"] == "stream 7"
    assert tracks["relu_kernel"] == "stream 7 (2)"
    assert tracks["gemm_head"] == "stream 7"
    assert tracks["Memcpy HtoD (Pageable -> Device)"] == "stream 8"


def test_a_kernel_that_begins_where_another_ends_stays_on_its_lane() -> None:
    trace = written(
        random_profile([], [], [(0, 20), (0, 0), (10, 40), (0, 0), (20, 5)])
    )  # those of no length are on stream 8

    tids = {event["ts"] - began_us(trace): event["tid"] for event in events_of(trace, "X", cat="kernel", tid=7)}

    assert sorted(round(1000 * at_us) for at_us in tids) == [0, 20]


def test_every_track_has_a_name_and_a_place() -> None:
    trace = written(cuda_profile())

    used = {(event["pid"], event["tid"]) for event in trace["traceEvents"] if event["ph"] in "Xisf"}
    for what in ("thread_name", "thread_sort_index"):
        assert used <= {(event["pid"], event["tid"]) for event in events_of(trace, "M", name=what)}
    assert {pid for pid, _ in used} == {event["pid"] for event in events_of(trace, "M", name="process_name")}


def test_layers_are_shown_first() -> None:
    trace = written(cuda_profile())

    order = {event["pid"]: event["args"]["sort_index"] for event in events_of(trace, "M", name="process_sort_index")}

    assert min(order, key=lambda pid: order[pid]) == LAYERS_PID


@pytest.mark.parametrize("thread", [-5, 2**40])
def test_a_threads_number_that_viewers_cannot_hold_is_replaced(thread: int) -> None:
    rows = TimelineRows()
    rows.begin_step(0, 100, thread=thread)
    rows.op("aten::add", (10, 20), thread=thread)

    trace = written(replace(profile_of(NET), timeline=rows.timeline()))

    tids = {event["tid"] for event in events_of(trace, "X", pid=HOST_PID)}
    assert len(tids) == 1
    assert 0 <= tids.pop() < 2**31


def start_of(trace: Trace, event: Event) -> list[Event]:
    """The slices that start where an end of an arrow is."""
    place = {name: event[name] for name in ("pid", "tid", "ts")}
    return events_of(trace, "X", **place)


@pytest.mark.parametrize("for_plugin", [False, True])
def test_every_arrow_leads_from_the_start_of_a_slice_to_that_of_another(for_plugin: bool) -> None:
    trace = written(cuda_profile(), for_plugin=for_plugin)

    starts, ends = events_of(trace, "s"), events_of(trace, "f", bp="e")

    assert len({event["id"] for event in starts}) == len(starts)
    assert [event["id"] for event in starts] == [event["id"] for event in ends]
    assert all(start_of(trace, event) for event in (*starts, *ends))


def arrows_of(trace: Trace, name: str) -> list[tuple[str, str]]:
    pairs = zip(events_of(trace, "s", name=name), events_of(trace, "f", name=name), strict=True)
    return [(start_of(trace, left)[0]["name"], start_of(trace, right)[0]["name"]) for left, right in pairs]


def test_arrows_lead_from_layers_to_their_first_ops() -> None:
    trace = written(cuda_profile(steps=1))

    assert arrows_of(trace, "layer to its first op") == [
        ("encoder.fc1", "aten::linear"),
        ("encoder.act", "aten::relu"),
        ("head", "aten::linear"),
    ]


def test_backward_work_is_no_layers_first_op() -> None:
    rows = TimelineRows()
    rows.begin_step(0, 1000)
    call = rows.range(0, 0, 100)
    rows.op("backward", (500, 600), around=call)

    trace = written(replace(profile_of(NET), timeline=rows.timeline()))

    assert arrows_of(trace, "layer to its first op") == []
    assert arrows_of(trace, "layer to its backward work") == [("Layer", "backward")]


def test_arrows_lead_from_launches_to_what_they_started() -> None:
    trace = written(cuda_profile(steps=1))

    assert sorted(arrows_of(trace, "ac2g")) == [
        ("cudaLaunchKernel", "gemm_backward"),
        ("cudaLaunchKernel", "gemm_fc1"),
        ("cudaLaunchKernel", "gemm_head"),
        ("cudaLaunchKernel", "relu_kernel"),
        ("cudaMemcpyAsync", "Memcpy HtoD (Pageable -> Device)"),
        ("cudaMemsetAsync", "Memset (Device)"),
    ]


def test_arrows_lead_from_layers_to_their_backward_work_for_perfetto_only() -> None:
    node = "autograd::engine::evaluate_function: AddmmBackward0"

    found = [
        arrows_of(written(cuda_profile(steps=1), for_plugin=copy), "layer to its backward work")
        for copy in (False, True)
    ]

    assert found == [[("encoder.fc1", node)], []]
