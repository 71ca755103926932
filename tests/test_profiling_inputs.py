"""What a step is given: every form of inputs, and the same values in each step, whatever the model does to them."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

import layerprof as lp
from layerprof.measure import resolve
from layerprof.testing import CacheNet, KeyCache, NestedNet

PASSES = ("time", "flops", "memory")


class Receiver(nn.Module):
    """Keeps what each call was given."""

    def __init__(self) -> None:
        super().__init__()
        self.received: list[tuple[torch.Tensor, float]] = []

    def forward(self, x: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
        self.received.append((x.clone(), scale))
        return x * scale


@pytest.mark.parametrize(
    "inputs",
    [
        {"x": torch.ones(2), "scale": 3.0},
        UserDict({"x": torch.ones(2), "scale": 3.0}),  # as a tokenizer's BatchEncoding is
        (torch.ones(2), 3.0),
        [torch.ones(2), 3.0],
    ],
    ids=["dict", "mapping", "tuple", "list"],
)
def test_a_mapping_goes_by_name_and_a_sequence_by_position(inputs: object) -> None:
    model = Receiver()

    lp.profile(model, inputs, passes=PASSES, warmup=0, repeats=1)

    assert [(x.tolist(), scale) for x, scale in model.received] == [([1.0, 1.0], 3.0)] * 4


def test_anything_else_is_the_one_argument() -> None:
    model = Receiver()

    lp.profile(model, torch.ones(2), passes=("time",), warmup=0, repeats=1)

    assert [scale for _, scale in model.received] == [1.0, 1.0]


def test_the_inputs_are_described_in_the_spec() -> None:
    profile = lp.profile(Receiver(), {"x": torch.ones(2, 3), "scale": 3.0}, passes=(), warmup=0, repeats=1)

    assert profile.spec.inputs == (("x", "float32[2, 3]"), ("scale", "3.0"))


@dataclass
class Nested:
    """An object that no tree utility looks into."""

    values: list[float] = field(default_factory=lambda: [1.0])


class Writer(nn.Module):
    """Writes to all it is given, after keeping what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def forward(self, x: torch.Tensor, more: Mapping[str, list[torch.Tensor]], nested: Nested) -> torch.Tensor:
        first = more["first"][0]
        self.seen.append(x.sum().item() + first.sum().item() + sum(nested.values))
        x.add_(1)
        first.mul_(5)
        nested.values.append(7.0)
        return x + first


def test_inputs_that_are_written_to_are_the_same_in_each_step_and_afterwards() -> None:
    x, first, nested = torch.zeros(2), torch.ones(2), Nested()
    model = Writer()

    lp.profile(model, (x, {"first": [first]}, nested), passes=PASSES, warmup=2, repeats=2)

    assert set(model.seen) == {3.0}
    assert torch.equal(x, torch.zeros(2))
    assert torch.equal(first, torch.ones(2))
    assert nested == Nested()


def test_inputs_written_to_under_inference_mode_are_copied_too() -> None:
    with torch.inference_mode():
        x = torch.zeros(2)
        model = Writer()

        lp.profile(model, (x, {"first": [torch.ones(2)]}, Nested()), passes=PASSES, warmup=1, repeats=2)

        assert set(model.seen) == {3.0}
        assert torch.equal(x, torch.zeros(2))


def test_a_cache_is_copied_for_each_step() -> None:
    net = CacheNet()
    cache = KeyCache()

    profile = lp.profile(
        net, {"x": torch.ones(2, 4), "cache": cache}, clock=net.clock, passes=PASSES, warmup=2, repeats=2
    )

    assert len(cache.keys) == 1
    assert profile["child"].calls == 2


def test_inputs_that_are_only_read_are_copied_once() -> None:
    x = torch.ones(2)
    given: list[torch.Tensor] = []
    model = nn.Identity()
    model.register_forward_pre_hook(lambda module, args: given.append(args[0]))

    lp.profile(model, x, passes=("time",), warmup=1, repeats=2)

    assert len(given) == 6  # one to warm up, two bare, one that fills the hooks' caches, two timed
    assert all(one is given[0] for one in given)
    assert given[0] is not x


class LateWriter(nn.Module):
    """Writes to its input from the third call on, once behind the version counter's back."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls == 3:
            x.add_(1)
        if self.calls == 4:
            x.data.add_(1)
        return x


def test_the_callers_tensor_stays_as_it_was_whenever_the_model_writes() -> None:
    x = torch.zeros(2)

    lp.profile(LateWriter(), x, passes=("time",), warmup=0, repeats=6)

    assert torch.equal(x, torch.zeros(2))


def test_what_cannot_be_copied_is_passed_on_as_it_is() -> None:
    lines = (line for line in "abc")
    given: list[object] = []
    model = nn.Identity()
    model.register_forward_pre_hook(lambda module, args: given.append(args[0]))

    lp.profile(model, (lines,), passes=("time",), warmup=0, repeats=1)

    assert all(one is lines for one in given)


class Holder:
    """An object that holds a tensor in the middle of a graph of gradients, as a cache filled with gradients on."""

    def __init__(self) -> None:
        self.key = torch.ones(1, 2, requires_grad=True) * 2


class Appending(nn.Module):
    """Appends its input to what the holder holds."""

    def forward(self, x: torch.Tensor, holder: Holder) -> torch.Tensor:
        holder.key = torch.cat([holder.key, x])
        return holder.key @ torch.ones(2, 2)


@pytest.mark.parametrize("is_counted", [False, True], ids=["profile", "count_flops"])
def test_an_object_with_a_tensor_in_a_graph_of_gradients_is_copied(is_counted: bool) -> None:
    holder, x = Holder(), torch.ones(1, 2)
    before = holder.key

    if is_counted:
        assert lp.count_flops(Appending(), (x, holder)).total == 2 * 2 * 2 * 2
    else:
        lp.profile(Appending(), (x, holder), passes=PASSES, warmup=1, repeats=1)

    assert holder.key is before
    assert before.requires_grad


def test_an_object_with_tensors_that_cannot_be_copied_is_refused() -> None:
    class Uncopied(Holder):
        def __deepcopy__(self, memo: object) -> Uncopied:
            raise TypeError("there is one of me")

    with pytest.raises(lp.InputError, match=r"Uncopied cannot be copied .*there is one of me"):
        lp.count_flops(Appending(), (torch.ones(1, 2), Uncopied()))


def test_gradients_reach_copied_inputs_in_training_and_not_the_callers() -> None:
    x = torch.ones(2, 4, requires_grad=True)
    net = NestedNet()

    lp.profile(net, x, train=True, passes=("time",), warmup=0, repeats=1)

    assert x.grad is None
    assert x.requires_grad


def test_inputs_that_are_one_tensor_twice_are_the_same_for_the_model() -> None:
    x = torch.ones(2)
    model = nn.Bilinear(2, 2, 1)

    profile = lp.profile(model, (x, x), passes=("time", "flops"), warmup=0, repeats=1)

    assert profile.root.calls == 1


def test_a_model_without_tensors_is_on_its_inputs_device() -> None:
    target = resolve(nn.Sequential(nn.ReLU()), runs_step=True, inputs={"input": torch.empty(1, device="meta")})

    assert target.device == torch.device("meta")
