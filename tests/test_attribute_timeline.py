"""The timeline's tables of phases, launches and annotations, from columns written by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from op_columns import OpColumns

from layerprof.attribute import OpEvents
from layerprof.attribute.base.ops import Allocations, Samples
from layerprof.attribute.device import placed_activities
from layerprof.attribute.ops import placed_ops
from layerprof.attribute.timeline import timeline_of
from layerprof.records import Timeline

BACKWARD = 2


def timeline(events: OpEvents, *, backward: int | None = None) -> Timeline:
    host = placed_ops(events, backward=backward)
    return timeline_of(events, host, placed_activities(events, host))


def phases_of(record: Timeline) -> list[tuple[int, int, int, int]]:
    columns = (record.phases[name].tolist() for name in ("phase", "step", "start_ns", "end_ns"))
    return list(zip(*columns, strict=True))


def test_phases_reach_from_their_mark_to_the_next_or_to_the_end_of_the_step() -> None:
    columns = OpColumns(steps=((0, 100), (200, 300))).mark(0, 5).mark(1, 40).mark(0, 210, step=1).mark(1, 250, step=1)

    assert phases_of(timeline(columns.events())) == [(0, 0, 0, 40), (1, 0, 40, 100), (0, 1, 200, 250), (1, 1, 250, 300)]


def test_a_mark_of_the_phase_in_force_begins_no_new_one() -> None:
    columns = OpColumns(steps=((0, 100),)).mark(1, 10).mark(1, 40).mark(3, 60)

    assert phases_of(timeline(columns.events())) == [(1, 0, 0, 60), (3, 0, 60, 100)]


def test_phases_without_length_are_left_out() -> None:
    columns = OpColumns(steps=((0, 100),)).mark(0, 30).mark(1, 30).mark(2, 100)

    assert phases_of(timeline(columns.events())) == [(0, 0, 0, 30), (1, 0, 30, 100)]


def test_a_mark_between_two_steps_is_of_neither() -> None:
    columns = OpColumns(steps=((0, 100), (200, 300))).mark(0, 5).mark(1, 150).mark(0, 210, step=1)

    assert phases_of(timeline(columns.events())) == [(0, 0, 0, 100), (0, 1, 200, 300)]


def test_the_backward_phase_begins_with_the_engines_first_node() -> None:
    columns = OpColumns(steps=((0, 100),)).node(60, 80).node(85, 90)

    assert phases_of(timeline(columns.events(), backward=BACKWARD)) == [(0, 0, 0, 60), (BACKWARD, 0, 60, 100)]


def test_an_activity_has_the_thread_end_and_name_of_its_launch() -> None:
    columns = OpColumns().op("aten::mm", 10, 50).launch(7, 20).launch(8, 30)
    columns.kernel(8, 60, 70).kernel(7, 80, 90).kernel(9, 95, 99)
    events = columns.events(has_device=True)
    named = replace(events.launches, end_ns=events.launches.start_ns + 3, name=np.asarray([0, 1], dtype=np.int64))

    kernels = timeline(replace(events, launches=named)).kernels

    assert kernels["correlation"].tolist() == [8, 7, -1]
    assert kernels["launch_ns"].tolist() == [30, 20, -1]
    assert kernels["launch_end_ns"].tolist() == [33, 23, -1]
    assert kernels["launch_name"].tolist() == [1, 0, -1]
    assert kernels["launch_thread"].tolist() == [1, 1, -1]


def test_what_was_not_recorded_of_launches_and_annotations_is_none_and_no() -> None:
    columns = OpColumns().op("aten::mm", 10, 50).launch(7, 20).kernel(7, 60, 70)

    record = timeline(columns.events(has_device=True))

    assert record.kernels["launch_end_ns"].tolist() == [-1]
    assert record.kernels["launch_name"].tolist() == [-1]
    assert record.ops["annotation"].tolist() == [0]


def test_annotations_are_marked() -> None:
    events = OpColumns().op("mine", 10, 50).op("aten::mm", 20, 30).events()
    marked = replace(events, host=replace(events.host, is_annotation=np.asarray([True, False])))

    assert timeline(marked).ops["annotation"].tolist() == [1, 0]


def test_allocations_and_samples_are_kept_as_they_are() -> None:
    allocations = Allocations(time_ns=np.asarray([5]), bytes=np.asarray([-64]))
    samples = Samples(name=np.asarray([0]), time_ns=np.asarray([3]), value=np.asarray([1.5]))

    record = timeline(replace(OpColumns().op("a", 1, 2).events(), allocations=allocations, samples=samples))

    assert record.allocations["bytes"].tolist() == [-64]
    assert (record.counters["time_ns"].tolist(), record.counters["value"].tolist()) == ([3], [1.5])
