from __future__ import annotations

import copy
from collections import namedtuple
from typing import cast

import pytest
import torch
from energy_replays import CPU, Bench
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from layerprof.measure.energy import capture
from layerprof.measure.energy.base import UnitKey, Wanted, cloned, conditions_now, held_tensors, structural_copy
from layerprof.measure.energy.base.structure import Undo
from layerprof.testing import KeyCache, LayerFailedError

Pair = namedtuple("Pair", ("left", "right"))


class Taking(nn.Module):
    """Takes anything and gives its first argument doubled."""

    def forward(self, x: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        return x * 2


class Giving(nn.Module):
    """Gives its child what it is told to, and overwrites its own input and what it got back."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()
        self.child = Taking()
        self.given: tuple[tuple[object, ...], dict[str, object]] = (args, kwargs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        args, kwargs = self.given
        result: torch.Tensor = self.child(x, *args, **kwargs)
        x.zero_()
        return result.neg_()


def test_arguments_and_output_are_kept_as_they_were_at_the_call() -> None:
    pair = Pair(torch.tensor(1.0), [torch.tensor(2.0), "word"])
    bench = Bench(Giving(pair, 3, flag=True, nested={"mask": torch.tensor([4.0])}), torch.ones(2))

    captured = bench.captured("child")

    x, held, number = captured.args
    assert torch.equal(cast("torch.Tensor", x), torch.ones(2))
    assert held == pair
    assert isinstance(held, Pair)
    assert held.left is not pair.left
    assert (number, captured.kwargs["flag"]) == (3, True)
    assert torch.equal(captured.output[0], torch.full((2,), 2.0))
    assert captured.direct_bytes == captured.input_bytes == 4 * (2 + 1 + 1 + 1)


def test_the_right_call_in_the_right_phase_is_kept() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.child = nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([self.child(x), self.child(x[:1])])

    bench = Bench(Twice(), torch.ones(3, 2))

    shapes = [held_tensors(bench.captured("child", call=call, calls=2).args)[0].shape for call in (0, 1)]

    assert shapes == [(3, 2), (1, 2)]


def test_a_call_that_does_not_come_is_missed() -> None:
    bench = Bench(Giving(), torch.ones(2))

    captures = bench.captures(Wanted(key=UnitKey(1, 0), call=5))

    assert (captures.found, captures.missed[UnitKey(1, 0)].flag) == ({}, "not_called")


def test_a_cache_is_copied_with_its_tensors_and_without_the_models_own() -> None:
    cache = KeyCache()
    module = nn.Linear(1, 1)
    bench = Bench(Giving(cache=cache, inside=module), torch.ones(2))

    captured = bench.captured("child")

    held = captured.kwargs["cache"]
    assert isinstance(held, KeyCache)
    assert held.keys is not cache.keys
    assert held.keys[0] is not cache.keys[0]
    assert torch.equal(held.keys[0], cache.keys[0])
    assert captured.kwargs["inside"] is module
    assert captured.input_bytes > captured.direct_bytes


def test_beyond_the_budget_a_call_is_missed_for_lack_of_memory() -> None:
    bench = Bench(Giving(torch.ones(100)), torch.ones(2))
    wanted = Wanted(key=UnitKey(1, 0), call=0)

    enough, little = (bench.captures(wanted, budget_bytes=size) for size in (408 + 8, 408 + 7))

    assert list(enough.found) == [wanted.key]
    assert little.missed[wanted.key].flag == "no_memory"


def test_what_cannot_be_copied_is_missed_with_the_reason() -> None:
    class Stubborn:
        def __deepcopy__(self, memo: object) -> Stubborn:
            raise TypeError("not me")

    bench = Bench(Giving(Stubborn()), torch.ones(2))

    missed = bench.captures(Wanted(key=UnitKey(1, 0), call=0)).missed[UnitKey(1, 0)]

    assert missed.flag == "not_copyable"
    assert "TypeError: not me" in missed.reason


@pytest.mark.parametrize(
    ("error", "flag"),
    [(torch.OutOfMemoryError("all taken"), "no_memory"), (RuntimeError("not me"), "not_copyable")],
    ids=["memory", "other"],
)
@pytest.mark.parametrize("which", ["an input", "an output"])
def test_a_tensor_that_cannot_be_cloned_is_missed_and_the_model_goes_on(
    which: str, error: Exception, flag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(value: object) -> object:
        raise error

    monkeypatch.setattr(capture, "cloned" if which == "an output" else "structural_copy", failing)
    model = Giving()
    bench = Bench(model, torch.ones(2))

    captures = bench.captures(Wanted(key=UnitKey(1, 0), call=0))

    assert captures.found == {}
    missed = captures.missed[UnitKey(1, 0)]
    assert (missed.flag, missed.reason) == (flag, f"{which} cannot be copied ({type(error).__name__}: {error})")
    assert not model.child._forward_hooks


def test_what_a_layer_raises_in_the_model_is_the_models_affair() -> None:
    class Failing(Taking):
        def forward(self, x: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
            raise torch.OutOfMemoryError("of its own")

    model = Giving()
    model.child = Failing()

    with pytest.raises(torch.OutOfMemoryError, match="of its own"):
        Bench(model, torch.ones(2)).captures(Wanted(key=UnitKey(1, 0), call=0))


@pytest.mark.parametrize("writes", [False, True])
def test_a_call_that_writes_to_weights_is_known(writes: bool) -> None:
    class Writing(Taking):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))

        def forward(self, x: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
            if writes:
                self.weight.mul_(2)
            return x * 2

    model = Giving()
    model.child = Writing()

    assert Bench(model, torch.ones(2)).captured("child").has_written_weights is writes


def test_a_model_that_raises_keeps_no_hook() -> None:
    class Raising(Giving):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            super().forward(x)
            raise LayerFailedError("on purpose")

    model = Raising()

    with pytest.raises(LayerFailedError):
        Bench(model, torch.ones(2)).captured("child")

    assert not model.child._forward_hooks
    assert not model.child._forward_pre_hooks


def test_modes_of_torch_are_kept_and_in_force_again() -> None:
    class Modes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.child = Taking()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.autocast("cpu", dtype=torch.bfloat16), torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
                result: torch.Tensor = self.child(x)
            return result

    before = conditions_now(CPU)

    captured = Bench(Modes(), torch.ones(2)).captured("child")

    with captured.conditions.in_force():
        assert conditions_now(CPU) == captured.conditions
        assert torch.is_grad_enabled()
        assert torch.get_autocast_dtype("cpu") is torch.bfloat16
        assert torch.is_autocast_enabled("cpu")
        assert not torch.backends.cuda.flash_sdp_enabled()
    assert conditions_now(CPU) == before


def test_gradients_are_off_again_where_they_were() -> None:
    captured = Bench(Giving(), torch.ones(2)).captured("child")

    with captured.conditions.in_force():
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()


def test_inference_mode_is_kept_and_in_force_again() -> None:
    with torch.inference_mode():
        within = conditions_now(CPU)

    with within.in_force():
        assert torch.is_inference_mode_enabled()
        assert not torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(12.0).reshape(3, 4),
        torch.arange(12.0).reshape(3, 4).T,
        torch.arange(12.0).reshape(3, 4)[:, 1:3],
        torch.arange(3.0)[:, None].expand(3, 4),
        torch.ones(0, 4)[:, ::2],
        torch.tensor(1.0),
        torch.arange(5),
        torch.eye(3).to_sparse(),
    ],
    ids=["whole", "transposed", "cut out", "expanded", "empty", "number", "whole numbers", "sparse"],
)
def test_a_copy_of_a_tensor_has_its_strides_and_values(tensor: torch.Tensor) -> None:
    own = cloned(tensor)

    assert own.layout == tensor.layout
    assert torch.equal(own.to_dense() if own.is_sparse else own, tensor.to_dense() if tensor.is_sparse else tensor)
    if not tensor.is_sparse:
        assert own.stride() == tensor.stride()
        assert not tensor.numel() or own.data_ptr() != tensor.data_ptr()


def test_a_tensor_that_is_given_twice_is_one_in_the_copy() -> None:
    tensor = torch.ones(2)

    first, second = structural_copy((tensor, [tensor]))

    assert first is second[0]


def test_a_tensor_with_a_graph_is_copied_without_it() -> None:
    tensor = torch.ones(2, requires_grad=True) * 2

    (own,) = structural_copy((tensor,))

    assert own.grad_fn is None


def test_what_a_call_changes_around_tensors_is_put_back() -> None:
    cache = KeyCache()
    value: dict[str, object] = {"cache": cache, "list": [1, 2], "set": {1}, "inner": {"a": 1}}
    before = copy.copy(value)
    undo = Undo(value)

    cache.keys.append(torch.zeros(1))
    cache.extra = 1  # type: ignore[attr-defined]  # what a forward may do
    value["list"].pop()  # type: ignore[attr-defined]
    value["set"].add(2)  # type: ignore[attr-defined]
    value["inner"] = {}
    undo.restore()

    assert value == before
    assert value["inner"] is before["inner"]
    assert (len(cache.keys), set(vars(cache)), value["list"], value["set"]) == (1, {"keys"}, [1, 2], {1})


def test_a_list_in_a_modules_tuple_is_put_back() -> None:
    module, seen = nn.Module(), [1]
    vars(module)["seen"] = (seen,)
    undo = Undo((), modules=(module,))

    seen.append(2)
    undo.restore()

    assert seen == [1]


def test_after_a_first_call_only_what_it_changed_is_looked_at() -> None:
    value: dict[str, list[int]] = {"changes": [1], "stays": [2]}
    undo = Undo(value)
    value["changes"].append(1)
    undo.watch_changed()
    undo.restore()

    value["changes"].append(1)
    value["stays"].append(2)
    undo.restore()

    assert value == {"changes": [1], "stays": [2, 2]}
