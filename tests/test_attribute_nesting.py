"""From event buffers to spans and call graphs: clean buffers, buffers with events missing, and sums that close."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layerprof.attribute import (
    BACKWARD,
    BACKWARD_ENDED,
    PAUSE,
    PHASE,
    RESUME,
    CallGraph,
    StepEvents,
    ThreadEvents,
    cut,
    timed_graph,
)
from layerprof.attribute.base import NO_PARENT, Extent, Spans, columns_of, merged
from layerprof.attribute.calls import Timed
from layerprof.attribute.nesting import _match_by_stack, _match_clean

Event = tuple[int, int]
END_NS = 1000

same_examples = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def thread(*events: Event, is_step_thread: bool = True) -> ThreadEvents:
    columns = np.asarray(events, dtype=np.int64).reshape(-1, 2)
    return ThreadEvents(is_step_thread=is_step_thread, codes=columns[:, 0], times_ns=columns[:, 1])


def step(*threads: ThreadEvents, start_ns: int = 0, end_ns: int = END_NS) -> StepEvents:
    return StepEvents(start_ns=start_ns, end_ns=end_ns, threads=threads)


def spans_of(steps: list[StepEvents]) -> Spans:
    return cut(steps)[0]


def timed_of(steps: list[StepEvents], *, phases: int = 1, backward: int | None = None) -> Timed:
    spans, pieces = cut(steps, phase_of=tuple(range(phases)), backward=backward)
    return timed_graph(spans, pieces, phases=phases)


def graph_of(steps: list[StepEvents]) -> CallGraph:
    return timed_of(steps).graph


def rows(spans: Spans) -> list[tuple[int, int, int, int]]:
    """(layer, parent, start, end) of each span."""
    columns = (spans.layer, spans.parent, spans.start_ns, spans.end_ns)
    return [tuple(row) for row in np.stack(columns, axis=1).tolist()] if spans.layer.size else []


def test_no_events_are_no_spans() -> None:
    spans = spans_of([step(), step(thread())])

    assert rows(spans) == []
    assert spans.repairs == 0


def test_no_steps_are_no_spans() -> None:
    assert rows(spans_of([])) == []


def test_calls_nest_in_order_of_entry() -> None:
    spans = spans_of([step(thread((0, 1), (1, 2), (~1, 3), (2, 4), (1, 5), (~1, 6), (~2, 7), (~0, 8)))])

    assert rows(spans) == [(0, -1, 1, 8), (1, 0, 2, 3), (2, 0, 4, 7), (1, 2, 5, 6)]
    assert spans.repairs == 0


def test_calls_side_by_side_have_no_caller() -> None:
    spans = spans_of([step(thread((3, 1), (~3, 2), (3, 4), (~3, 6)))])

    assert rows(spans) == [(3, NO_PARENT, 1, 2), (3, NO_PARENT, 4, 6)]


def test_a_layer_that_calls_itself_is_its_own_caller() -> None:
    spans = spans_of([step(thread((5, 1), (5, 2), (5, 3), (~5, 4), (~5, 5), (~5, 6)))])

    assert rows(spans) == [(5, -1, 1, 6), (5, 0, 2, 5), (5, 1, 3, 4)]


def test_a_call_that_never_ended_ends_where_its_caller_does() -> None:
    spans = spans_of([step(thread((0, 1), (1, 2), (2, 3), (~0, 9)))])

    assert rows(spans) == [(0, -1, 1, 9), (1, 0, 2, 9), (2, 1, 3, 9)]
    assert spans.repairs == 2


def test_an_outermost_call_that_never_ended_ends_with_the_step() -> None:
    spans = spans_of([step(thread((0, 1), (1, 2), (~1, 3)))])

    assert rows(spans) == [(0, -1, 1, END_NS), (1, 0, 2, 3)]
    assert spans.repairs == 1


def test_a_leave_without_its_enter_is_ignored() -> None:
    spans = spans_of([step(thread((~7, 1), (0, 2), (~5, 3), (~0, 4)))])

    assert rows(spans) == [(0, -1, 2, 4)]
    assert spans.repairs == 2


def test_calls_after_one_that_never_ended_are_inside_its_caller() -> None:
    spans = spans_of([step(thread((0, 1), (1, 2), (2, 3), (~1, 5), (2, 6), (~2, 7), (~0, 8)))])

    assert rows(spans) == [(0, -1, 1, 8), (1, 0, 2, 5), (2, 1, 3, 5), (2, 0, 6, 7)]
    assert spans.repairs == 1


def test_balanced_events_of_the_wrong_layers_are_mended_too() -> None:
    spans = spans_of([step(thread((0, 1), (~1, 2), (1, 3), (~0, 4)))])

    assert rows(spans) == [(0, -1, 1, 4), (1, 0, 3, 4)]
    assert spans.repairs == 2


def test_each_thread_and_each_step_nests_alone() -> None:
    aside = thread((1, 10), (2, 11), (~2, 12), (~1, 13), is_step_thread=False)

    spans = spans_of([step(thread((0, 1), (~0, 9)), aside), step(thread((0, 1), (1, 2), (~1, 3), (~0, 9)))])

    assert rows(spans) == [(0, -1, 1, 9), (1, -1, 10, 13), (2, 1, 11, 12), (0, -1, 1, 9), (1, 3, 2, 3)]
    assert spans.step.tolist() == [0, 0, 0, 1, 1]
    assert spans.is_concurrent.tolist() == [False, True, True, False, False]


@dataclass(frozen=True)
class Call:
    """A call with what it spends before, between and after the calls inside it."""

    layer: int
    gaps_ns: tuple[int, ...]
    inside: tuple[Call, ...]


def _call(layer: int, gaps_ns: list[int], inside: list[Call]) -> Call:
    return Call(layer, (*gaps_ns, *([0] * (len(inside) + 1 - len(gaps_ns))))[: len(inside) + 1], tuple(inside))


LAYERS = st.integers(0, 4)
GAPS = st.lists(st.integers(0, 10**12), max_size=4)
CALLS = st.recursive(
    st.builds(_call, LAYERS, GAPS, st.just([])),
    lambda below: st.builds(_call, LAYERS, GAPS, st.lists(below, max_size=3)),
    max_leaves=8,
)
STEPS = st.lists(st.lists(CALLS, max_size=3), min_size=1, max_size=3)


def events_of(calls: list[Call], now_ns: int = 0) -> tuple[list[Event], int]:
    """The buffer that hooks would write, and when it ends."""
    events: list[Event] = []
    for call in calls:
        events.append((call.layer, now_ns))
        now_ns += call.gaps_ns[0]
        for gap_ns, inner in zip(call.gaps_ns[1:], call.inside, strict=True):
            more, now_ns = events_of([inner], now_ns)
            events.extend(more)
            now_ns += gap_ns
        events.append((~call.layer, now_ns))
    return events, now_ns


def steps_of(trees: list[list[Call]]) -> list[StepEvents]:
    buffers = [events_of(calls) for calls in trees]
    return [step(thread(*events), end_ns=end_ns + 5) for events, end_ns in buffers]


def own_ns(call: Call) -> dict[int, int]:
    """Self time by layer, from the definition."""
    found = {call.layer: sum(call.gaps_ns)}
    for inner in call.inside:
        for layer, spent_ns in own_ns(inner).items():
            found[layer] = found.get(layer, 0) + spent_ns
    return found


@same_examples
@given(STEPS)
def test_self_times_add_up_to_the_outermost_calls_exactly(trees: list[list[Call]]) -> None:
    steps = steps_of(trees)
    spans = spans_of(steps)

    timed = timed_of(steps)

    is_top = spans.parent == NO_PARENT
    durations = spans.end_ns - spans.start_ns
    for number in range(len(steps)):
        outermost = durations[is_top & (spans.step == number)].sum()
        assert timed.graph.values["self_ns"][:, number].sum() == outermost
    assert timed.unattributed_ns.tolist() == [[5] * len(steps)]


@same_examples
@given(STEPS)
def test_every_layer_has_the_self_time_and_the_calls_of_its_definition(trees: list[list[Call]]) -> None:
    graph = graph_of(steps_of(trees))

    own = columns_of(graph, Extent(phases=1, layers=5)).own

    for number, calls in enumerate(trees):
        expected = np.zeros(5, dtype=np.int64)
        for call in calls:
            for layer, spent_ns in own_ns(call).items():
                expected[layer] += spent_ns
        assert own["self_ns"][0, :, number].tolist() == expected.tolist()
        assert own["calls"][0, :, number].sum() == len(events_of(calls)[0]) / 2


def total_ns(call: Call, above: frozenset[int] = frozenset()) -> dict[int, int]:
    """Time of the outermost calls by layer, from the definition."""
    found = {} if call.layer in above else {call.layer: sum(own_ns(call).values())}
    for inner in call.inside:
        for layer, spent_ns in total_ns(inner, above | {call.layer}).items():
            found[layer] = found.get(layer, 0) + spent_ns
    return found


@same_examples
@given(STEPS)
def test_every_layer_has_the_total_of_its_outermost_calls(trees: list[list[Call]]) -> None:
    graph = graph_of(steps_of(trees))

    total = columns_of(graph, Extent(phases=1, layers=5)).total["self_ns"]

    for number, calls in enumerate(trees):
        expected = np.zeros(5, dtype=np.int64)
        for call in calls:
            for layer, spent_ns in total_ns(call).items():
                expected[layer] += spent_ns
        assert total[0, :, number].tolist() == expected.tolist()


@same_examples
@given(STEPS)
def test_nodes_are_the_call_paths_and_callers_come_first(trees: list[list[Call]]) -> None:
    graph = graph_of(steps_of(trees))

    assert len({*paths_of(graph)}) == graph.layer.size
    assert set(paths_of(graph)) == {path for calls in trees for call in calls for path in paths_in(call)}
    assert all(parent < node for node, parent in enumerate(graph.parent.tolist()))


def paths_of(graph: CallGraph) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    for parent, layer in zip(graph.parent.tolist(), graph.layer.tolist(), strict=True):
        found.append((*(found[parent] if parent != NO_PARENT else ()), layer))
    return found


def paths_in(call: Call, above: tuple[int, ...] = ()) -> set[tuple[int, ...]]:
    path = (*above, call.layer)
    return {path}.union(*(paths_in(inner, path) for inner in call.inside))


@same_examples
@given(STEPS)
def test_both_ways_of_matching_agree_on_clean_buffers(trees: list[list[Call]]) -> None:
    for one in steps_of(trees):
        codes = one.threads[0].codes

        clean = _match_clean(codes)
        by_stack = _match_by_stack(codes)

        assert clean is not None
        assert by_stack.repairs == 0
        for column in ("layer", "parent", "start", "end", "owner"):
            assert getattr(clean, column).tolist() == getattr(by_stack, column).tolist()


@same_examples
@given(STEPS, st.data())
def test_whatever_is_missing_the_books_still_close(trees: list[list[Call]], data: st.DataObject) -> None:
    steps = [_without_some(one, data) for one in steps_of(trees)]

    timed = timed_of(steps)

    self_ns = timed.graph.values["self_ns"]
    left_ns = timed.unattributed_ns.sum(axis=0)
    assert (self_ns >= 0).all()
    assert (left_ns >= 0).all()
    assert (self_ns.sum(axis=0) + left_ns).tolist() == [one.end_ns - one.start_ns for one in steps]


def _without_some(one: StepEvents, data: st.DataObject) -> StepEvents:
    events = one.threads[0]
    kept = data.draw(st.lists(st.booleans(), min_size=events.codes.size, max_size=events.codes.size))
    chosen = np.asarray(kept, dtype=np.bool_)
    return step(
        ThreadEvents(is_step_thread=True, codes=events.codes[chosen], times_ns=events.times_ns[chosen]),
        end_ns=one.end_ns,
    )


@same_examples
@given(STEPS, STEPS)
def test_a_merged_graph_has_the_call_paths_of_both(first: list[list[Call]], second: list[list[Call]]) -> None:
    graphs = tuple(graph_of(steps_of(trees)) for trees in (first, second))

    union, places = merged(graphs)

    assert len(set(paths_of(union))) == union.layer.size
    for graph, place in zip(graphs, places, strict=True):
        assert [paths_of(union)[index] for index in place.tolist()] == paths_of(graph)


def test_a_layer_on_another_thread_is_a_node_of_its_own() -> None:
    aside = thread((0, 1), (~0, 2), is_step_thread=False)

    graph = graph_of([step(thread((0, 1), (~0, 2)), aside)])

    assert (graph.layer.tolist(), graph.is_concurrent.tolist()) == ([0, 0], [False, True])


def test_nanoseconds_are_kept_whole_at_any_size() -> None:
    century_ns = 100 * 365 * 86400 * 10**9
    events = thread((0, century_ns), (1, century_ns + 1), (~1, century_ns + 2), (~0, 2 * century_ns + 3))
    one = step(events, end_ns=2 * century_ns + 3)

    graph = graph_of([one])

    assert graph.values["self_ns"].tolist() == [[century_ns + 2], [1]]


@pytest.mark.parametrize("steps", [1, 3])
def test_a_call_path_that_is_not_in_every_step_has_zeros_there(steps: int) -> None:
    empty = [step(thread()) for _ in range(steps)]

    graph = graph_of([*empty, step(thread((2, 0), (~2, 7)))])

    assert graph.values["self_ns"].tolist() == [[0] * steps + [7]]
    assert graph.values["calls"].tolist() == [[0] * steps + [1]]


def by_place(timed: Timed) -> dict[tuple[tuple[int, ...], int], tuple[int, int]]:
    """(call path, phase) -> (calls, self time) of the first step."""
    graph = timed.graph
    return {
        (path, phase): (calls, self_ns)
        for path, phase, calls, self_ns in zip(
            paths_of(graph),
            graph.phase.tolist(),
            graph.values["calls"][:, 0].tolist(),
            graph.values["self_ns"][:, 0].tolist(),
            strict=True,
        )
    }


def test_a_phase_cuts_the_calls_that_are_open_where_it_begins() -> None:
    events = thread((PHASE, 0), (0, 1), (1, 2), (~1, 5), (PHASE + 1, 6), (1, 7), (~1, 17), (~0, 20))

    timed = timed_of([step(events, end_ns=30)], phases=2)

    assert by_place(timed) == {((0,), 0): (1, 2), ((0, 1), 0): (1, 3), ((0,), 1): (0, 4), ((0, 1), 1): (1, 10)}
    assert timed.phase_ns.tolist() == [[6], [24]]
    assert timed.unattributed_ns.tolist() == [[1], [10]]


def test_before_the_first_mark_it_is_that_marks_phase_already() -> None:
    events = thread((0, 4), (PHASE + 1, 6), (~0, 9))

    timed = timed_of([step(events, end_ns=10)], phases=2)

    assert timed.phase_ns.tolist() == [[0], [10]]


def test_a_step_that_may_train_begins_in_its_first_phase() -> None:
    events = thread((0, 4), (~0, 6), (PHASE + 2, 7))

    timed = timed_of([step(events, end_ns=10)], phases=3, backward=1)

    assert timed.phase_ns.tolist() == [[7], [0], [3]]


def test_a_phase_without_calls_of_a_caller_still_has_the_caller_above_what_it_called() -> None:
    events = thread((0, 0), (1, 0), (PHASE + 1, 0), (2, 0), (~2, 9), (PHASE, 9), (~1, 9), (~0, 9))

    graph = timed_of([step(events, end_ns=9)], phases=2).graph

    assert ((0, 1, 2), 1) in by_place(timed_of([step(events, end_ns=9)], phases=2))
    assert all(
        graph.phase[parent] == phase for parent, phase in zip(graph.parent, graph.phase, strict=True) if parent >= 0
    )


def test_other_threads_are_in_the_phase_of_the_steps_thread() -> None:
    own = thread((PHASE, 0), (PHASE + 1, 10))
    aside = thread((3, 2), (~3, 4), (3, 12), (~3, 17), is_step_thread=False)

    timed = timed_of([step(own, aside, end_ns=20)], phases=2)

    assert by_place(timed) == {((3,), 0): (1, 2), ((3,), 1): (1, 5)}
    assert timed.phase_ns.tolist() == [[10], [10]]


def test_a_pause_belongs_to_nobody_and_not_to_the_step() -> None:
    events = thread((0, 1), (PAUSE, 4), (RESUME, 9), (~0, 10))

    timed = timed_of([step(events, end_ns=12)])

    assert by_place(timed) == {((0,), 0): (1, 4)}
    assert timed.step_ns.tolist() == [7]
    assert timed.unattributed_ns.tolist() == [[3]]


def test_backward_work_belongs_to_the_call_it_was_recorded_in() -> None:
    forward = ((0, 0), (1, 1), (~1, 2), (2, 3), (~2, 4), (~0, 5))  # events 0 to 5: two towers in one caller
    backward = ((BACKWARD + 4, 10), (BACKWARD + 3, 11), (BACKWARD + 1, 13), (BACKWARD + 0, 17), (BACKWARD_ENDED, 25))

    timed = timed_of([step(thread(*forward, *backward), end_ns=30)], phases=3, backward=1)

    after_forward = {((0,), 0): (1, 3), ((0, 1), 0): (1, 1), ((0, 2), 0): (1, 1)}
    assert by_place(timed) == {**after_forward, ((0,), 1): (0, 1 + 8), ((0, 1), 1): (0, 4), ((0, 2), 1): (0, 2)}
    assert timed.unattributed_ns.tolist() == [[5], [5], [0]]


def test_a_call_out_of_the_engine_stands_where_its_forward_call_stood() -> None:
    forward = ((0, 0), (1, 1), (2, 2), (~2, 3), (~1, 4), (~0, 5))
    recomputed = ((BACKWARD + 2, 10), (1, 11), (2, 12), (~2, 15), (~1, 16), (BACKWARD + 0, 20), (BACKWARD_ENDED, 21))

    timed = timed_of([step(thread(*forward, *recomputed), end_ns=21)], phases=2, backward=1)

    places = by_place(timed)
    assert places[(0, 1), 1] == (1, 2)
    assert places[(0, 1, 2), 1] == (1, 3 + 1 + 4)  # recomputed, and the backward work on both sides of it
    assert places[(0,), 1] == (0, 1)


@same_examples
@given(STEPS, st.data())
def test_phases_and_what_is_missing_leave_the_books_closed(trees: list[list[Call]], data: st.DataObject) -> None:
    steps = [_with_phases(_without_some(one, data), data) for one in steps_of(trees)]

    timed = timed_of(steps, phases=3)

    parts = timed.graph.values["self_ns"].sum(axis=0) + timed.unattributed_ns.sum(axis=0)
    assert parts.tolist() == timed.step_ns.tolist() == timed.phase_ns.sum(axis=0).tolist()


def _with_phases(one: StepEvents, data: st.DataObject) -> StepEvents:
    """The step with marks put in between its events."""
    events = list(zip(one.threads[0].codes.tolist(), one.threads[0].times_ns.tolist(), strict=True))
    for phase in data.draw(st.lists(st.integers(0, 2), max_size=4)):
        at = data.draw(st.integers(0, len(events)))
        events.insert(at, (PHASE + phase, events[at - 1][1] if at else one.start_ns))
    return step(thread(*events), end_ns=one.end_ns)
