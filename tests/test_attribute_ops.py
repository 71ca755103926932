"""The host side of the ops pass on columns written by hand: nesting, self times, phases, backward, rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from op_columns import ENGINE_THREAD, OTHER_THREAD, OpColumns

from layerprof.attribute import OpCount, OpKey
from layerprof.attribute.base.intervals import innermost_at, nested
from layerprof.attribute.base.ops import FOREIGN_NODE, OpEvents
from layerprof.attribute.base.places import DevicePlaces, HostPlaces
from layerprof.attribute.oprows import op_rows, time_shares
from layerprof.attribute.ops import OpsBooks, booked_ops, placed_ops
from layerprof.attribute.timeline import timeline_of

FORWARD, BACKWARD = 0, 1
ROOT, BLOCK, CHILD = 0, 1, 2
S_PER_NS = 1e-9


def placed(columns: OpColumns) -> HostPlaces:
    return placed_ops(columns.events(), backward=BACKWARD)


def booked(columns: OpColumns, phases: int = 2) -> OpsBooks:
    events = columns.events()
    return booked_ops(events, placed_ops(events, backward=BACKWARD), DevicePlaces(), phases=phases)


def by_node(books: OpsBooks, name: str) -> dict[tuple[int, int, int], list[int]]:
    """(layer of the caller, layer, phase) -> the value in each step."""
    graph = books.graph
    caller = [int(graph.layer[parent]) if parent >= 0 else -1 for parent in graph.parent]
    keys = zip(caller, graph.layer.tolist(), graph.phase.tolist(), strict=True)
    return dict(zip(keys, graph.values[name].tolist(), strict=True))


def layers_of_ops(columns: OpColumns) -> list[int]:
    events = columns.events()
    places = placed_ops(events, backward=BACKWARD)
    return [int(events.ranges.layer[one]) if one >= 0 else -1 for one in places.op_range]


def test_an_op_belongs_to_the_innermost_range_around_it() -> None:
    columns = OpColumns().range(ROOT, 0, 100).range(BLOCK, 10, 50)
    columns.op("a", 0, 5).op("b", 20, 30).op("c", 60, 70).op("d", 200, 210)

    assert layers_of_ops(columns) == [ROOT, BLOCK, ROOT, -1]


def test_self_time_leaves_out_child_ops_and_child_ranges() -> None:
    columns = OpColumns().range(ROOT, 0, 100).range(BLOCK, 20, 50)
    columns.op("outer", 10, 80).op("inner", 25, 40).op("late", 60, 70)

    places = placed(columns)

    assert places.op_self_ns.tolist() == [(80 - 10) - (50 - 20) - (70 - 60), 40 - 25, 70 - 60]
    assert places.op_parent.tolist() == [-1, 0, 0]


def test_the_books_close_with_calls_host_time_and_what_is_left_over() -> None:
    columns = OpColumns(steps=((0, 100), (100, 200))).range(ROOT, 0, 60).range(ROOT, 100, 150)
    columns.op("a", 10, 20).op("glue", 70, 75).op("a", 110, 130).op("b", 115, 120)

    books = booked(columns, phases=1)

    assert by_node(books, "calls") == {(-1, ROOT, 0): [1, 1]}
    assert by_node(books, "host_ns") == {(-1, ROOT, 0): [10, 20]}
    assert books.unattributed_host_ns.tolist() == [[5, 0]]
    assert books.step_ns.tolist() == [100, 100]
    assert (books.ops, books.activities, books.clipped) == (4, 0, 0)


def test_of_two_ranges_with_the_same_times_the_first_is_the_caller() -> None:
    columns = OpColumns().range(ROOT, 0, 10).range(BLOCK, 0, 10).op("a", 0, 10)

    assert placed(columns).range_parent.tolist() == [-1, 0]
    assert layers_of_ops(columns) == [BLOCK]


def test_an_op_without_length_lies_in_what_is_open_and_holds_nothing() -> None:
    columns = OpColumns().range(ROOT, 0, 10).op("point", 5, 5).op("same", 5, 5).op("next", 5, 8)

    places = placed(columns)

    assert layers_of_ops(columns) == [ROOT, ROOT, ROOT]
    assert places.op_parent.tolist() == [2, 2, -1]  # at one time the longer is the outer
    assert places.op_self_ns.tolist() == [0, 0, 3]


def test_an_event_that_ends_when_another_starts_is_beside_it() -> None:
    columns = OpColumns().range(ROOT, 0, 10).range(BLOCK, 10, 20).op("a", 0, 10).op("b", 10, 20)

    assert layers_of_ops(columns) == [ROOT, BLOCK]
    assert placed(columns).op_parent.tolist() == [-1, -1]


def test_an_op_that_bleeds_past_its_parent_is_cut_off_and_counted() -> None:
    columns = OpColumns().range(ROOT, 0, 100).op("p", 0, 50).op("bleeds", 40, 60).op("q", 55, 70).op("in_q", 56, 58)

    places = placed(columns)

    assert places.op_parent.tolist() == [-1, 0, -1, 2]
    assert places.op_self_ns.tolist() == [40, 10, 13, 2]
    assert places.nest.clipped == 1


def test_what_bleeds_out_of_two_levels_is_cut_off_at_the_inner_one() -> None:
    columns = OpColumns().op("a", 0, 100).op("b", 10, 50).op("c", 20, 120).op("d", 60, 70)

    places = placed(columns)

    assert places.op_parent.tolist() == [-1, 0, 1, 0]
    assert places.op_self_ns.tolist() == [100 - 40 - 10, 10, 30, 10]


def nested_by_stack(start: list[int], end: list[int], thread: list[int]) -> tuple[list[int], list[int]]:
    """Parents and cut ends, one event after the other, as a reader of the columns would find them."""
    parent, cut = [-1] * len(start), [max(pair) for pair in zip(start, end, strict=True)]
    for this in set(thread):
        stack: list[int] = []
        own = [place for place in range(len(start)) if thread[place] == this]
        for place in sorted(own, key=lambda one: (start[one], -cut[one], one)):
            while stack and cut[stack[-1]] <= start[place]:
                stack.pop()
            if stack:
                parent[place] = stack[-1]
                cut[place] = min(cut[place], cut[stack[-1]])
            stack.append(place)
    return parent, cut


@pytest.mark.parametrize("longest", [3, 12, 40])
def test_any_intervals_nest_as_a_stack_would_have_it(longest: int) -> None:
    generator = np.random.default_rng(longest)
    for _ in range(200):
        start = generator.integers(0, 40, size=25)
        end, thread = start + generator.integers(0, longest, size=25), generator.integers(1, 3, size=25)

        nest = nested(start, end, thread)

        parent, cut = nested_by_stack(start.tolist(), end.tolist(), thread.tolist())
        assert nest.parent.tolist() == parent
        assert (nest.end - nest.start).tolist() == (np.asarray(cut) - start).tolist()
        rank = nest.order.argsort().tolist()
        for time, on, found in zip(start, thread, innermost_at(nest, start, thread).tolist(), strict=True):
            is_open = [i for i in range(25) if thread[i] == on and start[i] <= time < cut[i]]
            assert found == max(is_open, key=rank.__getitem__, default=-1)


def test_a_recursive_call_is_a_path_of_its_own() -> None:
    columns = OpColumns().range(ROOT, 0, 100).range(ROOT, 10, 50).op("a", 20, 30).op("b", 60, 65)

    assert by_node(booked(columns), "host_ns") == {(-1, ROOT, 0): [5], (ROOT, ROOT, 0): [10]}


def test_ranges_on_other_threads_are_concurrent_and_nest_on_their_own() -> None:
    columns = OpColumns().range(ROOT, 0, 100).range(BLOCK, 10, 90, thread=OTHER_THREAD)
    columns.op("here", 20, 30).op("there", 25, 35, thread=OTHER_THREAD).op("loose", 95, 99, thread=OTHER_THREAD)

    books = booked(columns)

    assert layers_of_ops(columns) == [ROOT, BLOCK, -1]
    assert books.graph.is_concurrent.tolist() == [False, True]
    assert books.unattributed_host_ns.sum() == 0  # what other threads do under no range takes none of the step's time


def test_an_op_is_in_the_phase_in_which_it_began() -> None:
    columns = OpColumns().mark(1, 10).mark(0, 50).range(ROOT, 0, 100)
    columns.op("before", 5, 8).op("one", 20, 30).op("over", 45, 60).op("zero", 70, 80)

    assert placed_ops(columns.events()).op_phase.tolist() == [1, 1, 1, 0]
    assert placed(columns).op_phase.tolist() == [0, 1, 1, 0]  # a step that may train begins in its first phase


def test_phases_of_two_steps_do_not_mix() -> None:
    columns = OpColumns(steps=((0, 100), (100, 200))).mark(0, 5).mark(1, 50).mark(0, 105, step=1)
    columns.op("a", 60, 70).op("b", 101, 102).op("c", 110, 120)

    assert placed(columns).op_phase.tolist() == [1, 0, 0]


def backward_columns(thread: int) -> OpColumns:
    """A root that calls two layers; node 0 is of the first, 1 and 2 of the second, 3 of the root."""
    columns = OpColumns().range(ROOT, 0, 100).range(BLOCK, 10, 30).range(CHILD, 40, 60)
    columns.boundary(ROOT, 0).boundary(BLOCK, 0).boundary(~BLOCK, 1).boundary(CHILD, 1).boundary(~CHILD, 3)
    columns.boundary(~ROOT, 4)
    columns.op("fwd", 15, 20)
    columns.node(200, 210, sequence=3, thread=thread).op("mm", 202, 208, thread=thread)
    columns.node(220, 230, sequence=2, thread=thread).node(230, 235, thread=thread)  # followed by an accumulator
    return columns.node(240, 250, sequence=1, thread=thread).node(260, 280, sequence=0, thread=thread)


@pytest.mark.parametrize("thread", [1, ENGINE_THREAD])
def test_backward_work_belongs_to_the_call_that_made_its_node(thread: int) -> None:
    columns = backward_columns(thread)

    books = booked(columns)

    assert layers_of_ops(columns) == [BLOCK, ROOT, ROOT, CHILD, CHILD, CHILD, BLOCK]
    assert by_node(books, "host_ns") == {
        (-1, ROOT, FORWARD): [0],
        (ROOT, BLOCK, FORWARD): [5],
        (-1, ROOT, BACKWARD): [10],
        (ROOT, BLOCK, BACKWARD): [20],
        (ROOT, CHILD, BACKWARD): [10 + 5 + 10],
        (ROOT, CHILD, FORWARD): [0],
    }
    assert not books.graph.is_concurrent.any()
    assert books.unattributed_host_ns.sum() == 0


def test_a_node_made_before_the_first_call_or_on_another_thread_belongs_to_nobody() -> None:
    columns = OpColumns().range(ROOT, 0, 100).boundary(ROOT, 5).boundary(~ROOT, 8)
    columns.node(200, 210, sequence=4).node(220, 230, sequence=FOREIGN_NODE).node(240, 250, sequence=8)

    assert layers_of_ops(columns) == [-1, -1, -1]


def test_boundaries_that_do_not_match_the_ranges_leave_backward_unattributed() -> None:
    columns = OpColumns().range(ROOT, 0, 100).boundary(BLOCK, 0).boundary(~BLOCK, 9).node(200, 210, sequence=3)

    books = booked(columns)

    assert books.unattributed_host_ns.tolist() == [[0], [10]]


def test_a_recomputed_call_stands_where_its_forward_call_stood() -> None:
    columns = OpColumns().range(ROOT, 0, 100).range(BLOCK, 10, 30).range(BLOCK, 210, 230, thread=ENGINE_THREAD)
    columns.boundary(ROOT, 0).boundary(BLOCK, 0).boundary(~BLOCK, 1).boundary(~ROOT, 1)
    columns.node(200, 250, sequence=0, thread=ENGINE_THREAD).op("again", 215, 220, thread=ENGINE_THREAD)

    books = booked(columns)

    assert by_node(books, "calls")[ROOT, BLOCK, BACKWARD] == [1]
    assert by_node(books, "host_ns")[ROOT, BLOCK, BACKWARD] == [(250 - 200) - (230 - 210) + (220 - 215)]
    assert not books.graph.is_concurrent.any()


def rows_of(columns: OpColumns, events: OpEvents | None = None, **options: object) -> dict[int, list[tuple[str, int]]]:
    events = events or columns.events()
    rows = op_rows(events, placed_ops(events, backward=BACKWARD), DevicePlaces(), **options)  # type: ignore[arg-type]
    return {layer: [(row.name, row.calls) for row in found] for layer, found in rows.items()}


def test_rows_are_by_layer_name_and_shapes_with_the_longest_first() -> None:
    columns = OpColumns(steps=((0, 100), (100, 200))).range(ROOT, 0, 90).range(ROOT, 100, 190)
    columns.op("a", 0, 10, shapes=((2,),)).op("b", 10, 40).op("a", 40, 50, shapes=((3,),)).op(
        "a", 50, 60, shapes=((2,),)
    )
    columns.op("glue", 95, 96).op("a", 110, 140, shapes=((2,),))
    events = columns.events()

    rows = op_rows(events, placed_ops(events), DevicePlaces())

    assert [(row.name, row.shapes, row.calls) for row in rows[ROOT]] == [
        ("a", ((2,),), 2),
        ("b", (), 1),
        ("a", ((3,),), 1),
    ]
    own_s = rows[ROOT][0].self_s
    assert own_s is not None
    assert own_s.samples == pytest.approx((20 * S_PER_NS, 30 * S_PER_NS))
    assert rows[ROOT][0].device_s is None
    assert [row.name for row in rows[-1]] == ["glue"]


def flops_columns() -> OpColumns:
    columns = OpColumns().range(ROOT, 0, 90).range(BLOCK, 10, 50)
    columns.op("aten::linear", 10, 40, shapes=((2, 3), (4, 3)))
    return columns.op("aten::addmm", 15, 35, shapes=((4,), (2, 3), (3, 4), (), ()))


def flops_of(
    columns: OpColumns, op_flops: Mapping[OpKey, int] | None, uncounted: tuple[str, ...] = ()
) -> dict[str, int | None]:
    events = columns.events()
    places = placed_ops(events)
    counts = None if op_flops is None else {key: OpCount(flops=flops) for key, flops in op_flops.items()}
    rows = op_rows(events, places, DevicePlaces(), counts=counts, uncounted=uncounted)
    return {row.name: row.flops for found in rows.values() for row in found}


ADDMM: OpKey = (BLOCK, "aten::addmm", ((4,), (2, 3), (3, 4)))


def test_flops_go_to_the_row_of_their_op_and_others_have_none_of_their_own() -> None:
    assert flops_of(flops_columns(), {ADDMM: 48}) == {"aten::linear": 0, "aten::addmm": 48}


def test_a_layer_with_flops_that_found_no_row_does_not_claim_zero() -> None:
    op_flops: dict[OpKey, int] = {ADDMM: 48, (BLOCK, "aten::bmm", ((1, 2, 3), (1, 3, 4))): 10}

    assert flops_of(flops_columns(), op_flops) == {"aten::linear": None, "aten::addmm": 48}


def test_without_a_flops_pass_and_for_uncounted_ops_flops_are_unknown() -> None:
    assert flops_of(flops_columns(), None) == {"aten::linear": None, "aten::addmm": None}
    assert flops_of(flops_columns(), {ADDMM: 48}, ("aten.linear.default",))["aten::linear"] is None


def test_of_namesakes_within_one_another_the_outermost_has_the_flops() -> None:
    columns = OpColumns().range(ROOT, 0, 90)
    columns.op("aten::sum", 10, 40, shapes=((2, 3), ())).op("aten::sum", 15, 35, shapes=((2, 3), (), ()))
    events = columns.events()

    rows = op_rows(
        events, placed_ops(events), DevicePlaces(), counts={(ROOT, "aten::sum", ((2, 3),)): OpCount(flops=6)}
    )

    assert {len(row.shapes): row.flops for row in rows[ROOT]} == {2: 6, 3: 0}


def test_bytes_and_format_go_to_the_row_of_their_op_and_others_moved_none() -> None:
    events = flops_columns().events()
    counts = {ADDMM: OpCount(flops=48, bytes_moved=112, dtype="float32")}

    rows = op_rows(events, placed_ops(events), DevicePlaces(), counts=counts)[BLOCK]

    assert {row.name: (row.bytes_moved, row.dtype) for row in rows} == {
        "aten::addmm": (112, "float32"),
        "aten::linear": (0, None),
    }


def test_bytes_counted_with_other_shapes_than_the_rows_are_not_claimed_to_be_none() -> None:
    events = flops_columns().events()
    counts: dict[OpKey, OpCount] = {(BLOCK, "aten::addmm", ((9, 9),)): OpCount(bytes_moved=112)}

    rows = op_rows(events, placed_ops(events), DevicePlaces(), counts=counts)[BLOCK]

    assert {row.name: row.bytes_moved for row in rows} == {"aten::addmm": None, "aten::linear": 0}


def test_the_time_share_of_an_op_does_not_count_its_namesakes_inside_it() -> None:
    columns = OpColumns(steps=((0, 100),)).op("aten::foo", 10, 30).op("aten::foo", 12, 20).op("aten::foo", 50, 55)
    events = columns.events()

    shares = time_shares(events, placed_ops(events), DevicePlaces(), ["aten.foo.default", "aten.bar.default"])

    assert shares == {"aten.foo.default": (20 + 5) / 100, "aten.bar.default": 0.0}


def test_the_timeline_refers_to_its_own_tables() -> None:
    columns = backward_columns(ENGINE_THREAD)
    events = columns.events()

    timeline = timeline_of(events, placed_ops(events, backward=BACKWARD), DevicePlaces())

    assert timeline.ranges["parent"].tolist() == [-1, 0, 0]
    assert timeline.ops["range"].tolist() == [1, 0, 0, 2, 2, 2, 1]
    assert timeline.ops["parent"].tolist() == [-1, -1, 1, -1, -1, -1, -1]
    assert {len(column) for column in timeline.ops.values()} == {7}
    assert {len(column) for column in timeline.kernels.values()} == {0}
    assert np.array_equal(timeline.steps["end_ns"], [1000])


def test_a_step_in_which_nothing_was_recorded_is_empty() -> None:
    books = booked(OpColumns())

    assert books.graph.layer.size == 0
    assert books.unattributed_host_ns.tolist() == [[0], [0]]
