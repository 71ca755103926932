"""Backward work where the way to it is odd: unused and hidden outputs, methods that train, other threads, scripts."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch
from torch import nn

import layerprof as lp
from layerprof.testing import PRODUCT_FLOPS, TICK_S, FakeClock, Work

REPEATS = 2
Outputs = Callable[["Trained"], object]


class Holder:
    """An object that is no container."""

    def __init__(self, value: torch.Tensor) -> None:
        self.value = value


class Trained(Work):
    """Two layers that take time forward and backward, and what they made in the form that was asked for."""

    def __init__(self, form: str) -> None:
        super().__init__(FakeClock(), ticks=1)
        self.clock = self._clock
        self.first = Work(self.clock, ticks=2, products=1, backward_ticks=3)
        self.second = Work(self.clock, ticks=4, products=1, backward_ticks=5)
        self._form = form

    def forward(self, x: torch.Tensor) -> object:  # type: ignore[override]
        made = self.second(self.first(self.work(x)))
        forms: dict[str, object] = {
            "pair": (made, made.sum()),
            "object": Holder(made),
            "nested": {"out": [None, {"y": made}]},
        }
        return forms[self._form]

    def training_step(self, x: torch.Tensor) -> None:
        """A whole step, as frameworks have it."""
        self.second(self.first(self.work(x))).sum().backward()


def trained(net: Trained, step: Callable[[], object]) -> lp.Profile:
    passes = ("time", "flops", "memory")
    return lp.profile(net, call=step, train=True, clock=net.clock, passes=passes, warmup=1, repeats=REPEATS)


def ticks(quantity: lp.Distribution | None) -> float:
    assert quantity is not None
    assert set(quantity.samples) == {quantity.samples[0]}
    return quantity.samples[0] / TICK_S


def backward_ticks(profile: lp.Profile) -> dict[str, float]:
    return {layer.path: ticks(layer.by_phase["backward"].self_s) for layer in profile.layers if layer.path}


def failed(profile: lp.Profile) -> list[lp.Check]:
    return [check for check in profile.checks if not check.ok]


def x() -> torch.Tensor:
    return torch.ones(2, 4, requires_grad=True)


def test_an_output_that_the_loss_does_not_use_hides_nothing() -> None:
    net = Trained("pair")

    profile = trained(net, lambda: net(x())[0].sum().backward())

    assert backward_ticks(profile) == {"first": 3, "second": 5}
    assert profile.phases[1].steps == 1
    assert failed(profile) == []


def test_a_loss_that_uses_every_output_counts_each_layer_once() -> None:
    net = Trained("pair")

    profile = trained(net, lambda: sum(out.sum() for out in net(x())).backward())

    assert backward_ticks(profile) == {"first": 3, "second": 5}


def test_outputs_inside_an_object_are_found() -> None:
    net = Trained("object")

    profile = trained(net, lambda: net(x()).value.sum().backward())  # type: ignore[attr-defined]

    assert backward_ticks(profile) == {"first": 3, "second": 5}
    assert profile["second"].output_bytes == 2 * 4 * 4


def test_outputs_deep_in_containers_are_found() -> None:
    net = Trained("nested")

    profile = trained(net, lambda: net(x())["out"][1]["y"].sum().backward())  # type: ignore[index]

    assert backward_ticks(profile) == {"first": 3, "second": 5}


def test_a_method_that_trains_has_its_layers_backward_work_in_their_rows() -> None:
    net = Trained("pair")

    profile = lp.profile(
        net,
        (x(),),
        method="training_step",
        train=True,
        clock=net.clock,
        passes=("time", "flops"),
        warmup=0,
        repeats=REPEATS,
    )

    assert backward_ticks(profile) == {"first": 3, "second": 5}
    assert profile["first"].by_phase["backward"].flops == 2 * PRODUCT_FLOPS
    assert [ticks(phase.total_s) for phase in profile.phases] == [1 + 2 + 4, 3 + 5, 0]
    assert failed(profile) == []


class Forked(Work):
    """A layer with two ways out of its last stretch, of which the loss may use either."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
        made = self.work(x)
        return made.sum(), made * 2


@pytest.mark.parametrize("used", [0, 1])
def test_whichever_way_the_engine_comes_into_a_layer_its_time_is_the_layers(used: int) -> None:
    clock = FakeClock()
    net = nn.Sequential(Forked(clock, ticks=1, backward_ticks=6))

    profile = lp.profile(
        net, call=lambda: net(x())[used].sum().backward(), train=True, clock=clock, passes=("time",), repeats=REPEATS
    )

    assert ticks(profile["0"].by_phase["backward"].self_s) == 6


class Aside(nn.Module):
    """A layer of whose backward nobody can tell the place: it runs on a thread whose numbers begin anew."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.here, self.far = (Work(self.clock, ticks=1, products=1, backward_ticks=2) for _ in range(2))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        made: list[torch.Tensor] = []
        hidden = self.here(inputs)
        aside = threading.Thread(target=lambda: made.append(self.far(hidden)))
        aside.start()
        aside.join()
        return made[0]


def test_backward_work_of_layers_on_several_threads_is_nobodys_and_said_so() -> None:
    net = Aside()

    profile = lp.profile(
        net, call=lambda: net(x()).sum().backward(), train=True, clock=net.clock, passes=("time", "flops"), repeats=2
    )

    assert profile["here"].flops == profile["far"].flops == PRODUCT_FLOPS
    assert profile.unattributed_flops == 4 * PRODUCT_FLOPS
    assert ticks(profile.unattributed_s) == 2 + 2
    assert ticks(profile["here"].self_s) == ticks(profile["far"].self_s) == 1
    assert "backward_by_threads" in {note.code for note in profile.notes}
    assert failed(profile) == []


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # scripted modules exist, whatever torch advises
def test_a_scripted_model_trains_and_loops_without_its_layers() -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))

    profile = lp.profile(scripted, call=lambda: scripted(x()).sum().backward(), train=True, warmup=1, repeats=1)
    with lp.Profiler(scripted, passes=("time", "flops")) as profiler:
        for _ in range(2):
            with profiler.step():
                scripted(x())

    assert failed(profile) == failed(profiler.result()) == []
    assert "calls_unseen" in {note.code for note in profile.notes}


def test_a_step_that_nobody_looked_into_has_no_phases_where_it_might_have_several() -> None:
    net = Trained("pair")

    profile = lp.profile(net, call=lambda: net(x()), train=True, clock=net.clock, passes=("bare",), repeats=1)

    assert profile.phases == ()
    assert ("no_pass", "phases") in {(note.code, note.quantity) for note in profile.notes}
    assert failed(profile) == []


def test_the_memory_pass_alone_makes_the_call_tree() -> None:
    net = nn.Sequential(nn.Linear(4, 4))

    profile = lp.profile(net, torch.ones(2, 4), passes=("memory",), warmup=0, repeats=1)

    assert profile.call_tree is not None
    assert [node.path for node in profile.call_tree.walk()] == ["", "0"]
    assert "no_pass" not in {note.code for note in profile.notes}
