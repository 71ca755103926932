"""Leave no trace: after a profile, also one that failed, the model and the process are as they were."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

import layerprof as lp
from layerprof.testing import FakeClock, LayerFailedError, NestedNet, Work

PASSES = ("time", "flops", "memory")
WARMUP, REPEATS = 1, 2
TIMED_STEPS = WARMUP + 1 + 2 * REPEATS  # a bare warm-up, the first hooked step, then bare and hooked ones in turn
FIRST_STEP_OF = {"time": 0, "flops": TIMED_STEPS, "memory": TIMED_STEPS + 1}

Hooks = tuple[tuple[object, ...], ...]


@dataclass(frozen=True)
class State:
    """All that a profile might change."""

    hooks: tuple[Hooks, ...]
    training: tuple[bool, ...]
    attributes: tuple[tuple[str, ...], ...]
    requires_grad: tuple[bool, ...]
    values: tuple[float, ...]
    is_grad_enabled: bool
    random_states: tuple[object, ...]
    modes: int


def state_of(model: nn.Module) -> State:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_forward_hooks_always_called", "_forward_hooks_with_kwargs")
    numpy_state = np.random.get_state(legacy=False)
    return State(
        hooks=tuple(tuple(tuple(getattr(module, kind).items()) for kind in kinds) for module in model.modules()),
        training=tuple(module.training for module in model.modules()),
        attributes=tuple(tuple(vars(module)) for module in model.modules()),
        requires_grad=tuple(parameter.requires_grad for parameter in model.parameters()),
        values=tuple(parameter.sum().item() for parameter in model.parameters()),
        is_grad_enabled=torch.is_grad_enabled(),
        random_states=(random.getstate(), repr(numpy_state), tuple(torch.get_rng_state().tolist())),
        modes=len(_get_current_dispatch_mode_stack()),
    )


class Restless(Work):
    """Draws from all three generators, and raises in the step it was told to."""

    def __init__(self, error: BaseException | None = None, at_step: int = 0) -> None:
        super().__init__(FakeClock(), ticks=1, products=1)
        self.child = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(4))
        self.steps: list[bool] = []
        self._error = error
        self._at_step = at_step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.steps.append(self.training)
        random.random()
        np.random.random()
        x = self.child(self.work(x) + torch.randn(1))
        if self._error is not None and len(self.steps) > self._at_step:
            raise self._error
        return x


def restless(error: BaseException | None = None, at_step: int = 0) -> Restless:
    """In train mode with a frozen child, and hooks of the user's own on every module."""
    model = Restless(error, at_step).train()
    model.child.eval()
    model.weight.requires_grad_(False)
    for module in model.modules():
        module.register_forward_pre_hook(lambda *_: None)
        module.register_forward_hook(lambda *_: None, always_call=True)
    return model


def profile(model: nn.Module, passes: tuple[str, ...] = PASSES) -> lp.Profile:
    return lp.profile(model, torch.ones(2, 4), passes=passes, warmup=WARMUP, repeats=REPEATS)


def test_a_profile_leaves_everything_as_it_was() -> None:
    model = restless()
    before = state_of(model)

    profile(model)

    assert state_of(model) == before


def test_counting_without_running_leaves_everything_as_it_was() -> None:
    model = restless()
    before = state_of(model)

    lp.count_flops(model, torch.ones(2, 4))

    assert state_of(model) == before


@pytest.mark.parametrize("train", [True, False])
def test_a_profile_under_other_modes_leaves_them_as_they_were(train: bool) -> None:
    model = restless()
    model.train(not train)

    with torch.set_grad_enabled(not train):
        before = state_of(model)
        lp.profile(model, torch.ones(2, 4), train=train, passes=PASSES, warmup=0, repeats=1)
        after = state_of(model)

    assert after.training == before.training
    assert after.is_grad_enabled == before.is_grad_enabled


@pytest.mark.parametrize("pass_name", PASSES)
@pytest.mark.parametrize("error", [LayerFailedError("in vain"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_step_that_raises_leaves_everything_as_it_was(pass_name: str, error: BaseException) -> None:
    model = restless(error, FIRST_STEP_OF[pass_name])
    before = state_of(model)

    with pytest.raises(lp.MeasurementError, match=f"in the {pass_name} pass"):
        profile(model)

    assert state_of(model) == before


def test_counting_a_step_that_raises_leaves_everything_as_it_was() -> None:
    model = restless(LayerFailedError("in vain"))
    before = state_of(model)

    with pytest.raises(lp.MeasurementError):
        lp.count_flops(model, torch.ones(2, 4))

    assert state_of(model) == before


def test_a_loop_leaves_hooks_and_modes_as_they_were_when_its_body_raises() -> None:
    model = restless(LayerFailedError("in vain"))
    before = state_of(model).hooks

    with lp.Profiler(model, passes=("time", "flops", "memory")) as profiler:
        for _ in range(3):
            with pytest.raises(LayerFailedError), profiler.step():
                model(torch.ones(2, 4))

    after = state_of(model)
    assert after.hooks == before
    assert after.modes == 0


def test_the_model_runs_in_eval_mode_unless_train() -> None:
    model = restless()

    profile(model)

    assert set(model.steps) == {False}


def test_every_step_of_a_training_profile_runs_in_train_mode() -> None:
    model = restless().eval()

    lp.profile(model, torch.ones(2, 4), train=True, passes=PASSES, warmup=0, repeats=1)

    assert set(model.steps) == {True}


def test_profiling_twice_gives_the_same_flops_and_calls() -> None:
    model = restless()

    first, second = profile(model), profile(model)

    assert [(row.flops, row.calls) for row in first.layers] == [(row.flops, row.calls) for row in second.layers]


def test_a_step_is_run_as_often_as_the_passes_need() -> None:
    model = restless()

    profile(model)

    assert len(model.steps) == TIMED_STEPS + 2


Log = list[tuple[str, str]]


def with_hooks_of_its_own(log: Log, register: Callable[[NestedNet, Log], None]) -> NestedNet:
    net = NestedNet()
    register(net, log)
    return net


def _logging_hooks(net: NestedNet, log: Log) -> None:
    for name, module in net.named_modules():
        module.register_forward_pre_hook(lambda *_, name=name: log.append(("first before", name)))
        module.register_forward_pre_hook(lambda *_, name=name: log.append(("second before", name)))
        module.register_forward_hook(lambda *_, name=name: log.append(("first after", name)))
        module.register_forward_hook(lambda *_, name=name: log.append(("second after", name)))


def test_the_users_own_hooks_fire_once_per_call_and_in_order() -> None:
    alone: Log = []
    with_hooks_of_its_own(alone, _logging_hooks)(torch.ones(2, 4))
    profiled: Log = []

    profile(with_hooks_of_its_own(profiled, _logging_hooks))

    assert profiled == alone * (TIMED_STEPS + 2)


def test_the_time_of_the_users_own_hooks_is_the_layers_own() -> None:
    net = NestedNet()
    net.head.register_forward_pre_hook(lambda *_: net.clock.advance_s(1.0))
    net.head.register_forward_hook(lambda *_: net.clock.advance_s(2.0))

    row = lp.profile(net, net.inputs, clock=net.clock, passes=("time",), warmup=0, repeats=1)["head"]

    assert row.self_s is not None
    assert row.self_s.median == 3.0 + net.answers.layers["head"].self_s


def test_what_a_users_hook_returns_is_still_what_the_model_returns() -> None:
    net = NestedNet()
    seen: list[float] = []
    net.block.register_forward_hook(lambda module, args, output: output * 0 + 5)
    net.head.register_forward_pre_hook(lambda module, args: seen.append(args[0].max().item()))

    lp.profile(net, net.inputs, passes=("time", "flops"), warmup=0, repeats=1)

    assert set(seen) == {5.0}
