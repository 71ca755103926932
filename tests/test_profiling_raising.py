"""Layers and hooks that raise, at any place and any time: nobody's work changes hands, and nothing is left behind."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress

import pytest
import torch
from answers import PASSES, answer_of, calls_in, failed_checks, global_hook, profile_of, rows_of, state_of
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

import layerprof as lp
from layerprof.testing import PRODUCT_FLOPS, TICK_S, Expected, KnownNet, LayerFailedError, NestedNet, Work

REPEATS = 2
STEP_PASSES = ("time",) * (2 * REPEATS) + ("flops", "memory")  # without a warm-up: bare and timed steps in turn
PATHS = tuple(NestedNet.answers.layers)


def measured(net: KnownNet) -> lp.Profile:
    return lp.profile(net, net.inputs, clock=net.clock, passes=PASSES, warmup=0, repeats=REPEATS)


class Bomb:
    """A layer's forward that raises in one step, after its own work and that of the layers in it."""

    def __init__(self, layer: Work, error: BaseException, at_step: int) -> None:
        self._forward, self._error, self._at_step = layer.forward, error, at_step
        self._steps = 0

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self._steps += 1
        result = self._forward(x)
        if self._steps == self._at_step + 1:
            raise self._error
        return result


def bombed(path: str, error: BaseException, at_step: int) -> NestedNet:
    net = NestedNet()
    layer = net.get_submodule(path)
    assert isinstance(layer, Work)
    layer.forward = Bomb(layer, error, at_step)  # type: ignore[method-assign]  # as accelerate does
    return net


@pytest.mark.parametrize("error", [LayerFailedError("on purpose"), KeyboardInterrupt()], ids=["error", "interrupt"])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("at_step", range(len(STEP_PASSES)))
def test_a_layer_that_raises_at_any_depth_in_any_step_leaves_the_model_and_the_finished_passes(
    error: BaseException, path: str, at_step: int
) -> None:
    net = bombed(path, error, at_step)
    before = state_of(net)

    with pytest.raises(lp.MeasurementError, match=f"in the {STEP_PASSES[at_step]} pass") as caught:
        measured(net)

    partial = caught.value.partial
    assert partial is not None
    assert isinstance(caught.value, KeyboardInterrupt) == isinstance(error, KeyboardInterrupt)
    assert caught.value.__cause__ is error
    assert state_of(net) == before
    assert failed_checks(partial) == []
    assert (partial.unattributed_flops is not None, partial.memory) == (at_step == len(STEP_PASSES) - 1, None)
    assert (partial.latency_s.n if partial.latency_s else 0) == (0, 1, 1, 1, 2, 2)[at_step]
    assert rows_of(profile_of(net)) == net.answers.layers  # the next profile is whole


class Catching(NestedNet):
    """Calls its head after a block that raises."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.work(x)
        with suppress(LayerFailedError):
            x = self.block(x)
        return self.head(x)


def failing_at(layer: nn.Module, *, only_turn: int | None = None) -> Callable[..., None]:
    """A hook that raises for one layer, always or in one of its calls."""
    turns = itertools.count()

    def hook(module: nn.Module, *_: object) -> None:
        if module is layer and only_turn in (None, next(turns)):
            raise LayerFailedError("on purpose")

    return hook


def test_a_global_pre_hook_that_raises_leaves_a_call_that_never_began() -> None:
    net = Catching()

    with global_hook(register_module_forward_pre_hook, failing_at(net.block.child)):
        profile = measured(net)

    rows = rows_of(profile)
    assert rows["block.child"] == Expected()
    assert (rows["block"].calls, rows["block"].total_s) == (1, 2 * TICK_S)
    assert (rows[""].self_s, rows[""].flops) == (1 * TICK_S, 2 * PRODUCT_FLOPS)
    assert calls_in(profile.call_tree) == {("",): 1, ("", "block"): 1, ("", "head"): 1}
    assert rows["head"] == net.answers.layers["head"]
    assert "unbalanced_calls" in {note.code for note in profile.notes}
    assert failed_checks(profile) == []


@pytest.mark.parametrize("always_call", [False, True])
def test_a_global_hook_that_raises_after_a_call_leaves_the_call_whole(always_call: bool) -> None:
    net = Catching()

    with global_hook(register_module_forward_hook, failing_at(net.block.child), always_call=always_call):
        profile = measured(net)

    assert rows_of(profile) == net.answers.layers
    assert "unbalanced_calls" not in {note.code for note in profile.notes}
    assert failed_checks(profile) == []


def test_a_global_pre_hook_that_raises_in_one_step_alone_leaves_the_others_whole() -> None:
    net = Catching()
    in_the_second_timed_step = failing_at(net.block.child, only_turn=2)

    with global_hook(register_module_forward_pre_hook, in_the_second_timed_step):
        profile = measured(net)

    row = profile["block.child"]
    assert row.total_s == lp.Distribution(samples=(3 * TICK_S, 0.0))
    assert (row.calls, row.flops) == (1, PRODUCT_FLOPS)
    assert {"unbalanced_calls", "calls_vary"} <= {note.code for note in profile.notes}
    assert failed_checks(profile) == []


def test_a_global_pre_hook_that_raises_through_the_step_is_an_error_that_leaves_no_trace() -> None:
    net = NestedNet()
    before = state_of(net)

    with (
        global_hook(register_module_forward_pre_hook, failing_at(net.block.child, only_turn=2)),
        pytest.raises(lp.MeasurementError, match="in the time pass") as caught,
    ):
        measured(net)

    assert state_of(net) == before
    assert caught.value.partial is not None
    assert failed_checks(caught.value.partial) == []


def test_a_layer_that_raises_and_calls_itself_keeps_its_books() -> None:
    class Falling(KnownNet):
        """Calls itself three deep; the innermost raises, and the outermost catches it."""

        def __init__(self) -> None:
            super().__init__()
            self.again = Again(self.clock, ticks=2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            try:
                return self.again(self.work(x))
            except LayerFailedError:
                return self.again.work(x)

    class Again(Work):
        def forward(self, x: torch.Tensor, deeper: int = 2) -> torch.Tensor:
            if not deeper:
                raise LayerFailedError
            return self(self.work(x), deeper - 1)

    profile = measured(Falling())

    row = answer_of(profile["again"])
    assert (row.calls, row.self_s, row.total_s) == (3, 4 * TICK_S, 4 * TICK_S)
    assert answer_of(profile.root).self_s == 3 * TICK_S
    assert failed_checks(profile) == []
