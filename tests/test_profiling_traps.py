"""What trips profilers up: hooks of others, replaced layers, scripted ones, measurements inside measurements."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from answers import PASSES, constant, failed_checks, global_hook, hooks_of, profile_of, rows_of, state_of
from torch import nn
from torch.nn import functional
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

import layerprof as lp
from layerprof.testing import (
    PRODUCT_FLOPS,
    ROWS,
    TICK_S,
    WIDTH,
    Caller,
    Expected,
    FakeClock,
    KnownNet,
    NestedNet,
    ReplicaNet,
    SpinningClock,
    Work,
)

REPEATS = 2
STEPS = 2 * REPEATS + 2  # bare and timed ones in turn, flops, memory
X = torch.ones(ROWS, WIDTH)


def measured(net: KnownNet) -> lp.Profile:
    return lp.profile(net, net.inputs, clock=net.clock, passes=PASSES, warmup=0, repeats=REPEATS)


def test_time_of_a_global_hook_before_a_call_is_its_callers_and_after_it_the_layers_own() -> None:
    net = NestedNet()

    def taking(ticks: int) -> Callable[..., None]:
        return lambda module, *_: net.take(ticks) if module is net.head else None

    with (
        global_hook(register_module_forward_pre_hook, taking(3)),
        global_hook(register_module_forward_hook, taking(4)),
    ):
        rows = rows_of(measured(net))

    assert rows["head"].self_s == (5 + 4) * TICK_S
    assert rows[""].self_s == (1 + 3) * TICK_S


def test_a_hook_that_the_model_registers_while_it_runs_fires_and_stays() -> None:
    class Registering(NestedNet):
        def __init__(self) -> None:
            super().__init__()
            self.fired = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if not self.head._forward_pre_hooks or not self.fired:
                self.head.register_forward_pre_hook(self._fire, prepend=True)
            return super().forward(x)

        def _fire(self, *_: object) -> None:
            self.fired += 1

    net = Registering()

    profile = measured(net)

    assert net.fired == STEPS
    assert len(net.head._forward_pre_hooks) == 1
    assert rows_of(profile) == net.answers.layers


def test_a_replica_leaves_the_originals_hooks_as_they_were() -> None:
    net = ReplicaNet()
    handle = net.tower.register_forward_hook(lambda *_: None)
    before = state_of(net)

    measured(net)

    assert state_of(net) == before
    handle.remove()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # scripted modules exist, whatever torch advises
@pytest.mark.parametrize("make", [torch.jit.script, lambda model: torch.jit.trace(model, X)])
def test_a_scripted_root_is_timed_as_a_whole_and_says_what_is_missing(make: Callable[[nn.Module], nn.Module]) -> None:
    model = make(nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU()).eval())

    profile = lp.profile(model, X, passes=PASSES, warmup=1, repeats=1)

    assert profile.root.calls == 1
    assert profile.root.total_s is not None
    assert profile.root.flops == PRODUCT_FLOPS
    assert profile["0"].total_s is None
    assert "calls_unseen" in {note.code for note in profile.notes}
    assert failed_checks(profile) == []


def test_another_model_of_the_same_class_in_the_step_is_under_no_layer() -> None:
    clock = FakeClock()
    net, other = NestedNet(clock), NestedNet(clock)

    profile = lp.profile(net, call=lambda: (net(X), other(X)), clock=clock, passes=PASSES, warmup=0, repeats=REPEATS)

    assert rows_of(profile) == net.answers.layers
    assert constant(profile.unattributed_s) == other.answers.step_s
    assert profile.unattributed_flops == other.answers.step_flops
    assert failed_checks(profile) == []


class Replacing(KnownNet):
    """Puts a new child in the place of the one it has, in the steps that it is told."""

    def __init__(self, in_steps: range) -> None:
        super().__init__()
        self.child = self._new()
        self._steps, self._in_steps = 0, in_steps

    def _new(self) -> Work:
        return Work(self.clock, ticks=2, products=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self._steps in self._in_steps:
            self.child = self._new()
        self._steps += 1
        return self.child(self.work(x))


def test_work_of_a_layer_that_took_anothers_place_is_its_callers_with_a_note() -> None:
    net = Replacing(range(100))

    profile = measured(net)

    assert rows_of(profile)["child"] == Expected()
    assert rows_of(profile)[""].self_s == rows_of(profile)[""].total_s == 3 * TICK_S
    assert profile.root.self_flops == PRODUCT_FLOPS
    assert [note.code for note in profile.notes if note.quantity == "total_s" and note.scope == "*"] == [
        "modules_replaced"
    ]
    assert failed_checks(profile) == []


def test_a_layer_replaced_in_one_step_has_its_work_in_the_steps_before() -> None:
    net = Replacing(range(2, 3))  # the second timed step

    profile = measured(net)

    assert profile["child"].total_s == lp.Distribution(samples=(2 * TICK_S, 0.0))
    assert profile.root.self_s == lp.Distribution(samples=(TICK_S, 3 * TICK_S))
    assert {"modules_replaced", "calls_vary"} <= {note.code for note in profile.notes}
    assert failed_checks(profile) == []


def test_a_replaced_layer_keeps_no_hook() -> None:
    net = Replacing(range(1, 2))
    old = net.child

    measured(net)

    assert net.child is not old
    assert hooks_of(old) == hooks_of(net.child) == [[]] * 4


class Nesting(NestedNet):
    """Profiles another model in its own forward."""

    def __init__(self, door: Callable[[nn.Module], object]) -> None:
        super().__init__()
        self._door = door

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._door(NestedNet())
        return super().forward(x)


def _loop(model: nn.Module) -> None:
    with lp.Profiler(model) as profiler, profiler.step():
        model(X)


@pytest.mark.parametrize(
    "door",
    [lambda model: lp.profile(model, X), lambda model: lp.count_flops(model, X), _loop],
    ids=["profile", "count_flops", "loop"],
)
def test_a_measurement_inside_a_measurement_is_refused_and_leaves_no_trace(
    door: Callable[[nn.Module], object],
) -> None:
    net = Nesting(door)
    before = state_of(net)

    with pytest.raises(lp.MeasurementError, match="layerprof is measuring already"):
        measured(net)

    assert state_of(net) == before
    assert rows_of(profile_of(NestedNet())) == NestedNet.answers.layers


def test_a_refused_inner_measurement_that_is_caught_leaves_the_outer_one_whole() -> None:
    def door(model: nn.Module) -> None:
        with pytest.raises(lp.LayerprofError, match="measuring already"):
            lp.profile(model, X)

    net = Nesting(door)

    assert rows_of(measured(net)) == net.answers.layers


def test_no_function_of_torch_is_another_afterwards() -> None:
    def functions() -> list[object]:
        places = (torch, functional, torch.Tensor, nn.Module, torch.autograd, torch.optim.Optimizer)
        return [value for place in places for value in vars(place).values() if callable(value)]

    before = functions()

    measured(NestedNet())

    assert all(one is other for one, other in zip(before, functions(), strict=True))


def test_profiling_again_and_again_counts_the_same() -> None:
    net = ReplicaNet()

    found = [rows_of(measured(net)) for _ in range(4)]

    assert found == [net.answers.layers] * 4


def test_the_same_nets_take_their_ticks_for_real() -> None:
    net = NestedNet(SpinningClock())
    caller = Caller(SpinningClock(), Work(SpinningClock(), ticks=0), ticks=0)

    profile = lp.profile(net, net.inputs, passes=("time",), warmup=0, repeats=1)

    assert caller(X).shape == X.shape
    assert profile.step_s is not None
    assert profile.step_s.samples[0] >= net.answers.step_s
    assert {path: row.calls for path, row in ((row.path, row) for row in profile.layers)} == {
        path: layer.calls for path, layer in net.answers.layers.items()
    }
    assert failed_checks(profile) == []
