"""The ops pass's instrument on real torch sessions: ranges, steps, threads, backward, and how it ends."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from layerprof.attribute.base.ops import OpEvents
from layerprof.attribute.base.places import DevicePlaces
from layerprof.attribute.ops import booked_ops, placed_ops
from layerprof.errors import MeasurementError
from layerprof.instruments.base import Site
from layerprof.instruments.kineto import OpsSession, is_profiling, read_columns
from layerprof.instruments.ranges import RangeRecorder

FORWARD, BACKWARD = 0, 1


def sites_of(model: nn.Module) -> tuple[Site, ...]:
    return tuple(Site(index=index, module=module) for index, module in enumerate(model.modules()))


def recorded(
    model: nn.Module,
    step: Callable[[RangeRecorder], object],
    *,
    steps: int = 1,
    follow_backward: bool = False,
    sacrificed: int = 1,
) -> OpEvents:
    """The events of some steps after a sacrificed one."""
    recorder = RangeRecorder(follow_backward=follow_backward)
    session = OpsSession(has_device=False)
    with session.running(), recorder.installed(sites_of(model)):
        for _ in range(sacrificed + steps):
            with recorder.step():
                step(recorder)
    return read_columns(
        session.take_events(),
        has_device=False,
        boundaries=recorder.boundaries(first=sacrificed),
        sacrificed=sacrificed,
    )


def names_by_layer(events: OpEvents, *, phase: int | None = None) -> dict[int, list[str]]:
    """Layer, or -1, to the names of the ops of its own, in order."""
    places = placed_ops(events, backward=BACKWARD)
    found: dict[int, list[str]] = {}
    for op, around in enumerate(places.op_range.tolist()):
        if phase is None or places.op_phase[op] == phase:
            layer = int(events.ranges.layer[around]) if around >= 0 else -1
            found.setdefault(layer, []).append(events.strings[events.host.name[op]])
    return found


class Pair(nn.Module):
    """Two linears in turn; the root adds."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.second(self.first(x)) + 1
        return result


X = torch.ones(5, 3)


def test_ops_lie_in_the_ranges_of_their_layers() -> None:
    model = Pair()

    events = recorded(model, lambda _: model(X))

    found = names_by_layer(events)
    assert events.ranges.layer.tolist() == [0, 1, 2]
    assert found[1][0] == found[2][0] == "aten::linear"
    assert "aten::addmm" in found[1]
    assert found[0][0] == "aten::add"
    assert -1 not in found


def test_steps_after_the_sacrificed_one_are_kept() -> None:
    model = Pair()

    events = recorded(model, lambda _: model(X), steps=2)

    books = booked_ops(events, placed_ops(events), DevicePlaces(), phases=1)
    assert events.step_start_ns.size == 2
    assert books.graph.values["calls"].tolist() == [[1, 1], [1, 1], [1, 1]]
    assert (books.graph.values["host_ns"].sum(axis=0) <= books.step_ns).all()
    assert books.clipped == 0


def test_shapes_are_those_of_the_inputs_with_none_for_numbers() -> None:
    model = Pair()

    events = recorded(model, lambda _: model(X))

    by_name = {
        events.strings[name]: events.shapes[shapes]
        for name, shapes in zip(events.host.name.tolist(), events.host.shapes.tolist(), strict=True)
    }
    assert by_name["aten::add"] == ((5, 2), (), ())
    assert by_name["aten::linear"] == ((5, 4), (2, 4), (2,))


def test_phases_are_marked_in_the_session() -> None:
    model = Pair()

    def step(recorder: RangeRecorder) -> None:
        recorder.phase(FORWARD)
        model.first(X)
        recorder.phase(1)
        model(X)

    events = recorded(model, step)

    assert events.phase.tolist() == [0, 1]
    assert events.phase_step.tolist() == [0, 0]
    assert set(names_by_layer(events, phase=0)) == {1}


def test_a_call_through_no_hook_has_a_range() -> None:
    model = Pair()

    def step(recorder: RangeRecorder) -> None:
        with recorder.call(0):
            model.first(X)

    events = recorded(model, step)

    assert events.ranges.layer.tolist() == [0, 1]
    assert placed_ops(events).range_parent.tolist() == [-1, 0]


def test_annotations_of_the_user_are_kept_as_host_events() -> None:
    model = Pair()

    def step(_: RangeRecorder) -> None:
        with torch.profiler.record_function("mine"):
            model(X)

    events = recorded(model, step)

    assert events.strings[events.host.name[0]] == "mine"


def test_threads_have_ranges_and_ops_of_their_own() -> None:
    model = Pair()

    def step(_: RangeRecorder) -> None:
        thread = threading.Thread(target=model.first, args=(X,))
        thread.start()
        thread.join()
        model.first(X)

    events = recorded(model, step)

    books = booked_ops(events, placed_ops(events), DevicePlaces(), phases=1)
    assert len(set(events.ranges.thread.tolist())) == 2
    assert sorted(books.graph.is_concurrent.tolist()) == [False, True]
    assert set(names_by_layer(events)) == {1}


class Attention(nn.Module):
    """Three linears on one input, whose backward branches run in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(4, 4) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = (self.q(x) @ self.k(x).mT).softmax(-1) @ self.v(x)
        return result


class Towers(nn.Module):
    """Two towers side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.right = nn.Sequential(nn.Linear(4, 4), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.left(x) + self.right(x)
        return result


def backward_ops(model: nn.Module) -> dict[str, list[str]]:
    """Path of a layer to the matrix products and nodes of its backward work."""
    x = torch.ones(2, 4, requires_grad=True)

    def step(_: RangeRecorder) -> None:
        model(x).sum().backward()

    events = recorded(model, step, steps=2, follow_backward=True)
    paths = [path for path, _ in model.named_modules()]
    return {
        paths[layer]: [name for name in names if name in ("aten::mm", "TanhBackward0", "ReluBackward0")]
        for layer, names in names_by_layer(events, phase=BACKWARD).items()
        if layer >= 0
    }


def test_three_linears_on_one_input_have_the_same_backward_work() -> None:
    found = backward_ops(Attention())

    assert found["q"] == found["k"] == found["v"] == ["aten::mm"] * 4  # two products in each of two steps


def test_two_towers_have_the_backward_work_of_their_own_nodes() -> None:
    found = backward_ops(Towers())

    assert found["left.0"] == found["right.0"] == ["aten::mm"] * 4
    assert (found["left.1"], found["right.1"]) == (["ReluBackward0"] * 2, ["TanhBackward0"] * 2)


def test_gradient_accumulators_belong_to_the_layer_of_the_parameter() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))

    def step(_: RangeRecorder) -> None:
        model(torch.ones(2, 4)).sum().backward()

    events = recorded(model, step, follow_backward=True)

    found = names_by_layer(events, phase=BACKWARD)
    for layer in (1, 3):
        assert found[layer].count("torch::autograd::AccumulateGrad") == 2
    assert "torch::autograd::AccumulateGrad" not in found[-1]
    assert not any("AddmmBackward0" in name for name in found[-1])


def test_recomputed_calls_stand_where_their_forward_calls_stood() -> None:
    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            from torch.utils.checkpoint import checkpoint

            result: Tensor = checkpoint(self.block, x, use_reentrant=False)
            return result

    model = Checkpointed()

    def step(_: RangeRecorder) -> None:
        model(torch.ones(2, 4, requires_grad=True)).sum().backward()

    events = recorded(model, step, follow_backward=True)

    places = placed_ops(events, backward=BACKWARD)
    assert events.ranges.layer.tolist() == [0, 1, 1]
    assert places.range_parent.tolist() == [-1, 0, 0]
    assert places.range_phase.tolist() == [FORWARD, FORWARD, BACKWARD]


def test_a_leave_without_its_enter_is_ignored() -> None:
    model = Pair()

    def refuses(module: nn.Module, args: object) -> None:
        if module is model.first:
            raise ValueError("refused")

    def step(_: RangeRecorder) -> None:
        handle = nn.modules.module.register_module_forward_pre_hook(refuses)
        try:
            with pytest.raises(ValueError, match="refused"):
                model(X)
        finally:
            handle.remove()
        model.second(torch.ones(5, 4))

    events = recorded(model, step, follow_backward=True)

    assert events.ranges.layer.tolist()[-1] == 2
    assert placed_ops(events).range_parent.tolist()[-1] == -1


def test_calls_left_open_are_closed_at_the_end_of_the_step() -> None:
    model = Pair()

    def step(_: RangeRecorder) -> None:
        def interrupts(*_: object) -> None:
            raise KeyboardInterrupt

        handle = model.first.register_forward_hook(interrupts)
        try:
            with pytest.raises(KeyboardInterrupt):
                model(X)
        finally:
            handle.remove()

    events = recorded(model, step, follow_backward=True, steps=2)

    assert (events.ranges.end_ns <= events.step_end_ns[placed_ops(events).range_step]).all()
    assert events.boundaries.code.sum() == -np.count_nonzero(events.boundaries.code >= 0)
    assert placed_ops(events).range_parent.tolist()[0] == -1


def test_a_profiler_that_is_running_is_refused() -> None:
    with (
        torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]),
        pytest.raises(MeasurementError, match="already"),
        OpsSession(has_device=False).running(),
    ):
        pass

    assert not is_profiling()


def test_a_session_that_does_not_start_is_told_of_and_leaves_no_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("CUPTI is busy\nbacktrace")

    monkeypatch.setattr(torch.autograd.profiler, "_enable_profiler", fails)

    with (
        pytest.raises(MeasurementError, match=r"did not start \(CUPTI is busy\)"),
        OpsSession(has_device=False).running(),
    ):
        pass

    assert not is_profiling()


def test_a_session_in_which_something_raises_is_stopped() -> None:
    model = Pair()
    session, recorder = OpsSession(has_device=False), RangeRecorder()

    with (
        pytest.raises(RuntimeError, match="shapes cannot be multiplied"),
        session.running(),
        recorder.installed(sites_of(model)),
        recorder.step(),
    ):
        model(torch.ones(5, 7))

    assert not is_profiling()
    assert not model._forward_hooks
    assert recorded(model, lambda _: model(X)).ranges.layer.tolist() == [0, 1, 2]


def test_the_environment_and_the_collector_are_as_before() -> None:
    environment = dict(os.environ)
    model = Pair()

    recorded(model, lambda _: model(X))

    assert dict(os.environ) == environment
    assert gc.isenabled()


def test_events_are_to_be_had_once() -> None:
    session = OpsSession(has_device=False)
    with session.running():
        torch.ones(1)
    session.take_events()

    with pytest.raises(MeasurementError, match="no finished session"):
        session.take_events()


def test_no_step_after_the_sacrificed_one_is_an_error() -> None:
    model = Pair()

    with pytest.raises(MeasurementError, match="leaves out 1 steps of 1"):
        recorded(model, lambda _: model(X), steps=0)
