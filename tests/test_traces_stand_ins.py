"""Launches in no op: in TensorBoard's copy something stands for an op around them, which nothing else reads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_records import Leaf, profile_of
from trace_profiles import ENGINE_THREAD, STEP_NS, TimelineRows, Trace, cuda_profile, events_of, overlaps_in, written

import layerprof as lp
from layerprof.traces.base import STAND_IN_ARGUMENT

pytestmark = pytest.mark.filterwarnings("ignore:The copy keyword is deprecated")  # the plugin's own use of pandas

FIRST_NS, SECOND_NS = 100_000, 30_000
GRAPH = "cudaGraphLaunch"


def replayed_profile() -> lp.Profile:
    """A linear layer that replays a graph of two kernels in no op, and one whose op launches a kernel of 100 us."""
    rows = TimelineRows()
    rows.begin_step(0, STEP_NS)
    root = rows.range(0, 10_000, 500_000)
    first = rows.range(1, 20_000, 100_000, parent=root)
    second = rows.range(2, 110_000, 200_000, parent=root)
    matmul = rows.op("aten::mm", (120_000, 190_000), around=second)
    graph: Any = {"around": first, "launch_ns": (40_000, 43_000), "launch_name": GRAPH, "correlation": 101}
    rows.kernel("g1", (60_000, 60_000 + FIRST_NS), **graph)
    rows.kernel("g2", (170_000, 170_000 + SECOND_NS), **graph)
    rows.kernel("mm", (270_000, 370_000), op=matmul, around=second, launch_ns=(130_000, 133_000), correlation=102)
    return of_net(rows)


def of_net(rows: TimelineRows) -> lp.Profile:
    layers = (
        Leaf(path="", type_name="Net"),
        Leaf(path="first", type_name="Linear"),
        Leaf(path="second", type_name="L"),
    )
    return replace(profile_of(list(layers)), timeline=rows.timeline())


def parsed(trace: Trace) -> Any:  # the plugin has no types
    pytest.importorskip("torch_tb_profiler", reason="the plugin is in the extra layerprof[tensorboard]")
    from torch_tb_profiler.profiler.data import RunProfileData

    return RunProfileData.from_json("worker", "1", trace)


def device_us_of_modules(trace: Trace) -> dict[str, Any]:
    """Of each module in the Module view, the device's microseconds with what it calls, and of its own."""
    data = parsed(trace)
    from torch_tb_profiler.profiler.module_op import aggegate_module_view

    found: dict[str, Any] = {}
    left = list(aggegate_module_view(data.tid2tree, data.events) or [])
    while left:
        row = left.pop()
        left += row.children
        found[row.name] = (pytest.approx(row.device_duration), pytest.approx(row.self_device_duration))
    return found


def stand_ins(trace: Trace) -> list[dict[str, Any]]:
    return [event for event in events_of(trace, "X") if event.get("args", {}).get(STAND_IN_ARGUMENT)]


def test_the_module_view_has_the_device_time_of_launches_in_no_op() -> None:
    found = device_us_of_modules(written(replayed_profile(), for_plugin=True))

    assert found == {"Net": (230.0, 0.0), "first": (130.0, 130.0), "second": (100.0, 100.0)}


def test_the_operator_view_has_them_by_the_name_of_the_launch() -> None:
    data = parsed(written(replayed_profile(), for_plugin=True))

    by_name = {op.name: (op.calls, op.self_device_duration) for op in data.op_list_groupby_name}

    assert by_name == {"(no op) cudaGraphLaunch": (1, pytest.approx(130.0)), "aten::mm": (1, pytest.approx(100.0))}


def test_the_kernel_view_tells_whose_each_kernel_is() -> None:
    data = parsed(written(replayed_profile(), for_plugin=True))

    by_kernel = {kernel.name: kernel.op_name for kernel in data.kernel_list_groupby_name_op}

    assert by_kernel == {"g1": "(no op) cudaGraphLaunch", "g2": "(no op) cudaGraphLaunch", "mm": "aten::mm"}


def test_a_stand_in_spans_its_launch_and_stands_just_before_it() -> None:
    trace = written(replayed_profile(), for_plugin=True)

    (stand_in,) = stand_ins(trace)

    at = trace["traceEvents"].index(stand_in)
    launch = trace["traceEvents"][at + 1]
    assert launch["name"] == GRAPH
    assert [stand_in[key] for key in ("ts", "dur", "tid", "pid")] == [
        launch[key] for key in ("ts", "dur", "tid", "pid")
    ]
    assert overlaps_in(trace) == []


def test_what_was_launched_is_linked_to_the_stand_in_and_to_no_other_op() -> None:
    trace = written(replayed_profile(), for_plugin=True)

    (stand_in,) = stand_ins(trace)
    number = stand_in["args"]["External id"]

    linked = {event["name"] for event in events_of(trace, "X") if event.get("args", {}).get("External id") == number}
    assert linked == {stand_in["name"], GRAPH, "g1", "g2"}


def test_the_other_copy_has_none() -> None:
    trace = written(replayed_profile())

    assert stand_ins(trace) == []
    (launch,) = events_of(trace, "X", name=GRAPH)
    assert launch["args"]["External id"] == 0


def test_launches_in_an_op_stay_as_they_are() -> None:
    profile = cuda_profile(steps=1)

    copies = [written(profile, for_plugin=for_plugin) for for_plugin in (True, False)]

    ids = [
        {
            (event["name"], event["ts"]): event["args"]["External id"]
            for event in events_of(trace, "X")
            if "External id" in event.get("args", {}) and "emset" not in event["name"]
        }
        for trace in copies
    ]
    assert ids[0] == ids[1]
    assert [event["name"] for event in stand_ins(copies[0])] == ["(no op) cudaMemsetAsync"]


def test_each_of_two_launches_that_follow_one_another_has_its_own() -> None:
    rows = TimelineRows()
    rows.begin_step(0, STEP_NS)
    root = rows.range(0, 0, 500_000)
    rows.kernel("a", (10_000, 20_000), around=root, launch_ns=(1_000, 2_000), correlation=1)
    rows.kernel("b", (20_000, 40_000), around=root, launch_ns=(2_000, 3_000), correlation=2)
    rows.kernel("c", (50_000, 90_000), launch_ns=(2_000, 3_000), correlation=3, thread=ENGINE_THREAD)

    trace = written(of_net(rows), for_plugin=True)

    assert len({event["args"]["External id"] for event in stand_ins(trace)}) == 3
    (row,) = parsed(trace).op_list_groupby_name
    assert (row.calls, row.self_device_duration) == (3, pytest.approx(70.0))
    assert device_us_of_modules(trace)["Net"] == (30.0, 30.0)


def test_a_launch_inside_another_one_keeps_its_device_time() -> None:
    rows = TimelineRows()
    rows.begin_step(0, STEP_NS)
    root = rows.range(0, 0, 500_000)
    rows.kernel("outer", (10_000, 20_000), around=root, launch_ns=(1_000, 5_000), correlation=1)
    rows.kernel("inner", (20_000, 40_000), around=root, launch_ns=(2_000, 3_000), correlation=2)

    trace = written(of_net(rows), for_plugin=True)

    assert len(stand_ins(trace)) == 1
    assert device_us_of_modules(trace)["Net"] == (30.0, 30.0)


def test_a_launch_in_a_range_of_the_users_alone_is_in_no_op() -> None:
    rows = TimelineRows()
    rows.begin_step(0, STEP_NS)
    root = rows.range(0, 0, 500_000)
    mine = rows.op("my range", (10_000, 90_000), around=root, is_annotation=True)
    rows.kernel("triton_", (20_000, 50_000), op=mine, around=root, launch_ns=(15_000, 16_000), correlation=1)

    trace = written(of_net(rows), for_plugin=True)

    assert device_us_of_modules(trace)["Net"] == (30.0, 30.0)


def test_the_same_attribution_is_read_from_both_copies(tmp_path: Path) -> None:
    source = recorded_trace(tmp_path)
    first = lp.load_trace(source)

    for name in ("x.json", "x.pt.trace.json.gz"):
        again = lp.load_trace(lp.export_trace(first, tmp_path / name))

        assert [layer.path for layer in again.layers] == [layer.path for layer in first.layers]
        for layer, before in zip(again.layers, first.layers, strict=True):
            for field in ("calls", "ops", "total_s", "self_s", "device_total_s", "device_self_s"):
                assert getattr(layer, field) == getattr(before, field)
        assert again.timeline is not None
        assert first.timeline is not None
        for table in ("ops", "kernels", "ranges"):
            assert getattr(again.timeline, table).keys() == getattr(first.timeline, table).keys()
            for column, values in getattr(first.timeline, table).items():
                if (table, column) not in (("ops", "name"), ("kernels", "name"), ("kernels", "launch_name")):
                    assert np.array_equal(getattr(again.timeline, table)[column], values), (table, column)


def test_a_trace_without_a_launch_is_as_it_was() -> None:
    rows = TimelineRows()
    rows.begin_step(0, STEP_NS)
    rows.kernel("alone", (10_000, 20_000))

    assert stand_ins(written(of_net(rows), for_plugin=True)) == []


def recorded_trace(folder: Path) -> Path:
    """A trace as torch writes it, with a graph's launch in a layer and in no op."""

    def slice_of(cat: str, name: str, span_us: tuple[int, int], pid: int = 100, tid: int = 100, **args: Any) -> Any:
        began_us, ended_us = span_us
        times = {"ts": began_us, "dur": ended_us - began_us}
        return {"ph": "X", "cat": cat, "name": name, "pid": pid, "tid": tid, **times, "args": args}

    def module(name: str, span_us: tuple[int, int], number: int, parent: int | None) -> Any:
        ids: Any = {"Python id": number, "Python parent id": parent, "Python module id": 0}
        return slice_of("python_function", f"nn.Module: {name}", span_us, **ids)

    def kernel(name: str, span_us: tuple[int, int], external: int, correlation: int) -> Any:
        ids = {"External id": external, "device": 0, "stream": 7, "correlation": correlation}
        return slice_of("kernel", name, span_us, 0, 7, **ids)

    events = [
        slice_of("user_annotation", "ProfilerStep#3", (0, 1000), **{"External id": 999}),
        module("Net_0", (10, 500), 1, None),
        module("Linear_0", (20, 100), 2, 1),
        module("Linear_1", (110, 200), 3, 1),
        slice_of("cuda_runtime", GRAPH, (40, 43), **{"External id": 0, "correlation": 101}),
        slice_of("cpu_op", "aten::mm", (120, 190), **{"External id": 1}),
        slice_of("cuda_runtime", "cudaLaunchKernel", (130, 133), **{"External id": 1, "correlation": 102}),
        *(kernel("g1", (60, 160), 0, 101), kernel("g2", (170, 200), 0, 101), kernel("mm", (270, 370), 1, 102)),
    ]
    path = folder / "recorded.json"
    path.write_text(json.dumps({"baseTimeNanoseconds": 1_790_857_026_000_000_000, "traceEvents": events}))
    return path
