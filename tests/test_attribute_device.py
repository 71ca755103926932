"""The device side of the ops pass on columns written by hand: launches, streams, busy, span, idle, orphans."""

from __future__ import annotations

import numpy as np
import pytest
from op_columns import ENGINE_THREAD, OTHER_THREAD, OpColumns, op_correlation, range_correlation

from layerprof.attribute.base import IntArray
from layerprof.attribute.base.ops import MEMCPY, MEMSET, OpEvents
from layerprof.attribute.base.places import DevicePlaces, HostPlaces
from layerprof.attribute.device import device_times, placed_activities
from layerprof.attribute.oprows import NO_OP, op_rows, time_shares
from layerprof.attribute.ops import booked_ops, placed_ops
from layerprof.attribute.timeline import timeline_of

ROOT, BLOCK, CHILD = 0, 1, 2
LAYERS = 3
BACKWARD = 1


def placed(columns: OpColumns) -> tuple[OpEvents, HostPlaces, DevicePlaces]:
    events = columns.events(has_device=True)
    host = placed_ops(events, backward=BACKWARD)
    return events, host, placed_activities(events, host)


def layers_of_activities(columns: OpColumns) -> list[int]:
    events, _, device = placed(columns)
    return [int(events.ranges.layer[one]) if one >= 0 else -1 for one in device.range]


def nested_columns() -> OpColumns:
    """A root that calls a block: an op in each, the block's first."""
    columns = OpColumns().range(ROOT, 0, 100).range(BLOCK, 10, 50)
    return columns.op("aten::mm", 20, 30).op("aten::add", 60, 70)


def test_a_kernel_belongs_to_the_innermost_range_around_its_launch() -> None:
    columns = nested_columns().launch(7, 25).launch(8, 65).kernel(8, 400, 450).kernel(7, 300, 390)

    events, host, device = placed(columns)

    assert layers_of_activities(columns) == [ROOT, BLOCK]
    assert device.op.tolist() == [1, 0]
    assert device.launch_ns.tolist() == [65, 25]
    assert (device.orphans, device.idle_launches) == (0, 0)
    books = booked_ops(events, host, device, phases=2)
    assert books.graph.values["device_ns"].tolist() == [[50], [90]]
    assert books.device_ns.tolist() == [140]
    assert books.unattributed_device_ns.sum() == 0


def test_a_launch_is_looked_up_on_the_thread_that_made_it() -> None:
    columns = OpColumns().range(ROOT, 0, 100).range(BLOCK, 0, 100, thread=OTHER_THREAD)
    columns.launch(7, 50).launch(8, 50, thread=OTHER_THREAD).launch(9, 50, thread=99)
    columns.kernel(7, 60, 61).kernel(8, 61, 62).kernel(9, 62, 63)

    assert layers_of_activities(columns) == [ROOT, BLOCK, -1]


def test_a_launch_from_python_in_a_range_belongs_to_the_range_and_to_no_op() -> None:
    columns = OpColumns().op("outer", 0, 100).range(ROOT, 10, 90).launch(7, 50).kernel(7, 60, 64)

    events, host, device = placed(columns)

    assert layers_of_activities(columns) == [ROOT]
    assert device.op.tolist() == [-1]
    rows = op_rows(events, host, device)
    assert [row.name for row in rows[ROOT]] == [NO_OP]


def test_overlapping_streams_have_a_sum_a_busy_time_a_span_and_gaps() -> None:
    columns = nested_columns().launch(7, 25).launch(8, 26).launch(9, 65).launch(10, 27)
    columns.kernel(7, 100, 200, stream=1).kernel(8, 150, 250, stream=2).kernel(9, 300, 310).kernel(10, 400, 420)

    events, host, device = placed(columns)
    times = device_times(events, host, device, layers=LAYERS)

    books = booked_ops(events, host, device, phases=2)
    assert books.device_ns.tolist() == [100 + 100 + 10 + 20]
    assert times.busy_ns.tolist() == [150 + 10 + 20]
    assert times.span_ns.tolist() == [320]
    assert times.layer_busy_ns[:, 0].tolist() == [180, 150 + 20, 0]
    assert times.layer_span_ns[:, 0].tolist() == [320, 320, 0]
    assert times.layer_idle_ns[:, 0].tolist() == [320 - 180, 320 - 180, 0]  # the root's kernel fills one of the gaps


def test_a_recursive_layer_has_its_activities_once() -> None:
    columns = OpColumns().range(ROOT, 0, 100).range(ROOT, 10, 90).launch(7, 50).kernel(7, 60, 64)

    times = device_times(*placed(columns), layers=LAYERS)

    assert times.layer_busy_ns[:, 0].tolist() == [4, 0, 0]


def test_steps_have_times_of_their_own() -> None:
    columns = OpColumns(steps=((0, 100), (100, 200))).range(ROOT, 0, 90).range(ROOT, 100, 190)
    columns.launch(7, 50).launch(8, 150).kernel(7, 60, 70).kernel(8, 160, 190)

    times = device_times(*placed(columns), layers=1)

    assert times.busy_ns.tolist() == [10, 30]
    assert times.layer_busy_ns.tolist() == [[10, 30]]
    assert times.layer_idle_ns.tolist() == [[0, 0]]


def test_copies_and_fills_are_in_the_sum_and_in_the_rows() -> None:
    columns = nested_columns().launch(7, 25).launch(8, 26).launch(9, 27).kernel(7, 100, 110)
    columns.activity(MEMCPY, 8, (110, 140), name="Memcpy DtoD").activity(MEMSET, 9, (140, 142), name="Memset")

    events, host, device = placed(columns)

    (row,) = op_rows(events, host, device)[BLOCK]
    assert [(kernel.name, kernel.kind, kernel.calls) for kernel in row.kernels] == [
        ("Memcpy DtoD", "memcpy", 1),
        ("gemm", "kernel", 1),
        ("Memset", "memset", 1),
    ]
    assert row.device_s is not None
    assert row.device_s.samples == pytest.approx(((10 + 30 + 2) * 1e-9,))


def test_one_launch_may_start_several_activities() -> None:
    columns = nested_columns().launch(7, 25).kernel(7, 100, 110).kernel(7, 110, 130)

    assert layers_of_activities(columns) == [BLOCK, BLOCK]


def test_a_kernel_whose_launch_is_missing_belongs_where_its_op_or_range_does() -> None:
    columns = nested_columns()
    columns.kernel(7, 100, 110, linked=int(op_correlation(events_position(0))))
    columns.kernel(8, 110, 120, linked=int(range_correlation(events_position(0))))

    _, _, device = placed(columns)

    assert layers_of_activities(columns) == [BLOCK, ROOT]
    assert device.op.tolist() == [0, -1]
    assert device.launch_ns.tolist() == [-1, -1]
    assert device.orphans == 0


def events_position(position: int) -> IntArray:
    return np.asarray(position, dtype=np.int64)


def test_an_orphan_is_counted_and_belongs_to_nobody() -> None:
    columns = nested_columns().launch(7, 25).kernel(8, 100, 110)

    events, host, device = placed(columns)
    books = booked_ops(events, host, device, phases=2)

    assert (books.orphans, books.idle_launches) == (1, 1)
    assert books.unattributed_device_ns.tolist() == [[10], [0]]
    assert books.graph.values["device_ns"].sum() == 0
    assert [row.name for row in op_rows(events, host, device)[-1]] == [NO_OP]


def test_a_kernel_that_begins_before_its_launch_is_counted() -> None:
    columns = nested_columns().launch(7, 25).launch(8, 26).kernel(7, 20, 24).kernel(8, 26, 30)

    _, _, device = placed(columns)

    assert device.early == 1


def test_backward_kernels_of_the_engines_thread_belong_to_the_forward_call() -> None:
    columns = OpColumns().range(ROOT, 0, 100).range(BLOCK, 10, 30)
    columns.boundary(ROOT, 0).boundary(BLOCK, 0).boundary(~BLOCK, 1).boundary(~ROOT, 1)
    columns.node(200, 230, sequence=0, thread=ENGINE_THREAD).op("aten::mm", 205, 225, thread=ENGINE_THREAD)
    columns.launch(7, 210, thread=ENGINE_THREAD).kernel(7, 300, 340)

    events, host, device = placed(columns)

    books = booked_ops(events, host, device, phases=2)
    assert layers_of_activities(columns) == [BLOCK]
    assert device.op.tolist() == [1]
    assert device.phase.tolist() == [BACKWARD]
    assert not books.graph.is_concurrent.any()
    assert books.unattributed_device_ns.sum() == 0


def test_the_time_share_on_a_device_is_of_its_time() -> None:
    columns = OpColumns().op("aten::foo", 10, 50).op("aten::mm", 20, 30).op("aten::add", 60, 70)
    columns.launch(7, 25).launch(8, 65).kernel(7, 100, 130).kernel(8, 130, 140)

    shares = time_shares(*placed(columns), ["aten.foo.default", "aten.add.Tensor"])

    assert shares == {"aten.foo.default": 30 / 40, "aten.add.Tensor": 10 / 40}


def test_the_rows_of_a_layer_add_up_to_its_device_time() -> None:
    columns = nested_columns().launch(7, 25).launch(8, 40).launch(9, 65)
    columns.kernel(7, 100, 110).kernel(8, 110, 125).kernel(9, 125, 126)

    events, host, device = placed(columns)

    rows = op_rows(events, host, device)
    sums = {layer: sum(row.device_s.median for row in found if row.device_s) for layer, found in rows.items()}
    assert sums == pytest.approx({ROOT: 1e-9, BLOCK: 25e-9})


def test_the_timeline_has_the_launch_of_each_activity() -> None:
    events, host, device = placed(nested_columns().launch(7, 25).kernel(7, 100, 110))

    kernels = timeline_of(events, host, device).kernels

    assert {name: column.tolist() for name, column in kernels.items() if name in ("op", "range", "launch_ns")} == {
        "op": [0],
        "range": [1],
        "launch_ns": [25],
    }
