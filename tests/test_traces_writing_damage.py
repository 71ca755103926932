"""Timelines that are damaged, or lack something: refused with one line, or written without it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from report_records import Leaf, profile_of
from trace_profiles import TimelineRows, cpu_profile, cuda_profile, events_of, written

import layerprof as lp
from layerprof.records import FrozenMapping, Timeline
from layerprof.traces import trace_json


def profile_with(timeline: Timeline) -> lp.Profile:
    bare = profile_of([Leaf(path="", type_name="Net"), Leaf(path="layer", type_name="Linear")])
    return replace(bare, timeline=timeline)


def one_op() -> Timeline:
    rows = TimelineRows()
    rows.begin_step(0, 1000)
    rows.range(0, 100, 900)
    rows.range(1, 200, 800, parent=0)
    rows.op("aten::add", (200, 800), around=1, shapes=((2, 3), ()))
    return rows.timeline()


@pytest.mark.parametrize("column", ["ranges.layer", "ranges.parent", "ops.name", "ops.shapes", "ops.range"])
@pytest.mark.parametrize("position", [99, -2])
def test_a_position_that_leads_nowhere_is_damage(column: str, position: int) -> None:
    timeline = one_op()
    table, name = column.split(".")
    columns = dict(getattr(timeline, table))
    columns[name] = columns[name] * 0 + position

    with pytest.raises(lp.RecordError, match=rf"{column} points to {position} of"):
        trace_json(profile_with(replace(timeline, **{table: FrozenMapping(columns)})), for_plugin=False)  # type: ignore[arg-type]  # a table


def test_a_call_of_no_layer_is_damage() -> None:
    timeline = one_op()
    columns = {**timeline.ranges, "layer": timeline.ranges["layer"] * 0 - 1}

    with pytest.raises(lp.RecordError, match=r"ranges\.layer points to -1 of 2 layers"):
        trace_json(profile_with(replace(timeline, ranges=FrozenMapping(columns))), for_plugin=False)


@pytest.mark.parametrize("timeline", [Timeline(), TimelineRows().timeline()], ids=["no tables", "no rows"])
def test_a_timeline_of_nothing_is_a_trace_of_nothing(timeline: Timeline) -> None:
    trace = written(profile_with(timeline), for_plugin=True)

    assert {event["ph"] for event in trace["traceEvents"]} == {"M"}


def without(timeline: Timeline, table: str, column: str) -> Timeline:
    columns = {name: values for name, values in getattr(timeline, table).items() if name != column}
    return replace(timeline, **{table: FrozenMapping(columns)})  # type: ignore[arg-type]  # a table


@pytest.mark.parametrize(
    "column",
    ["steps.thread", "phases.phase", "ranges.start_ns", "ops.end_ns", "kernels.launch_ns", "allocations.address"],
)
def test_a_column_that_every_release_had_may_not_be_absent(column: str) -> None:
    profile = cuda_profile(steps=1)
    assert profile.timeline is not None
    table, name = column.split(".")

    with pytest.raises(lp.RecordError, match=rf"timeline's {table} have no {name}; .* profile the model again"):
        trace_json(replace(profile, timeline=without(profile.timeline, table, name)), for_plugin=False)


def test_values_of_counters_may_not_be_absent() -> None:
    profile = cpu_profile(steps=1)
    assert profile.timeline is not None

    with pytest.raises(lp.RecordError, match="counters have no value"):
        trace_json(replace(profile, timeline=without(profile.timeline, "counters", "value")), for_plugin=False)


def test_columns_of_one_table_are_of_one_length() -> None:
    timeline = one_op()
    columns = {**timeline.ranges, "end_ns": timeline.ranges["end_ns"][:-1]}

    with pytest.raises(lp.RecordError, match="columns of ranges are not of one length"):
        trace_json(profile_with(replace(timeline, ranges=FrozenMapping(columns))), for_plugin=False)


@pytest.mark.parametrize("table", ["ranges", "ops"])
@pytest.mark.parametrize("parent", [[1, 0], [0, -1], [-1, 1]])
def test_parents_that_lead_round_in_a_circle_are_damage(table: str, parent: list[int]) -> None:
    profile = cuda_profile(steps=1)
    assert profile.timeline is not None
    columns = dict(getattr(profile.timeline, table))
    columns["parent"] = np.append(parent, columns["parent"][2:])
    timeline = replace(profile.timeline, **{table: FrozenMapping(columns)})  # type: ignore[arg-type]  # a table

    with pytest.raises(lp.RecordError, match=rf"{table}\.parent leads round in a circle"):
        trace_json(replace(profile, timeline=timeline), for_plugin=True)


def test_calls_may_be_as_deep_as_there_are_calls() -> None:
    rows = TimelineRows()
    rows.begin_step(0, 1000)
    for depth in range(9):
        rows.range(0, depth, 900 - depth, parent=depth - 1)

    trace = written(profile_with(rows.timeline()))

    assert [event["args"]["Python parent id"] for event in events_of(trace, "X", cat="python_function")] == [
        None,
        *range(1, 9),
    ]


@pytest.mark.parametrize("stream", [-1, 2**40])
def test_a_device_may_have_no_stream_with_a_number_that_viewers_know(stream: int) -> None:
    rows = TimelineRows()
    rows.begin_step(0, 1000)
    rows.kernel("gemm", (100, 200), place=(0, stream))

    (kernel,) = events_of(written(profile_with(rows.timeline())), "X", cat="kernel")

    assert (kernel["tid"], kernel["args"]["stream"]) == (1_000_000, stream)
