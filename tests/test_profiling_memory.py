"""The memory pass against numbers derived by hand: storages as they are made, kept and let go."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

import layerprof as lp

FLOAT = 4  # bytes
X = torch.ones(2, 8)
SIZE = 2 * 8 * FLOAT  # of X, and of what has its shape


class Steps(nn.Module):
    """A layer that does what it is told."""

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__()
        self._function = function

    def forward(self, *args: torch.Tensor) -> object:
        return self._function(*args)


def profile_of(model: nn.Module, inputs: object = X) -> lp.Profile:
    return lp.profile(model, inputs, passes=("memory",), warmup=0, repeats=1)


def numbers(row: lp.LayerProfile) -> tuple[int | None, int | None, int | None]:
    """Allocated, peak and output, in bytes."""
    return row.allocated_bytes, row.peak_bytes, row.output_bytes


def of(function: Callable[..., object], inputs: object = X) -> tuple[int | None, int | None, int | None]:
    return numbers(profile_of(Steps(function), inputs).root)


def test_a_new_tensor_is_allocated_and_alive() -> None:
    assert of(lambda x: x + 1) == (SIZE, SIZE, SIZE)


def test_a_tensor_that_was_let_go_is_allocated_but_not_in_the_peak() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        x = x + 1
        x = x + 1  # both are alive while it is made
        return x + 1

    assert of(function) == (3 * SIZE, 2 * SIZE, SIZE)


def test_tensors_that_are_kept_add_up() -> None:
    assert of(lambda x: (x + 1, x + 2, x + 3)) == (3 * SIZE, 3 * SIZE, 3 * SIZE)


def test_a_view_allocates_nothing() -> None:
    assert of(lambda x: (x.view(-1), x[0], x.T, x.expand(2, 8))) == (0, 0, 3 * SIZE + SIZE // 2)


def test_a_view_keeps_its_storage_alive() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        row = (x + 1)[0]
        return torch.cat([row, row])  # beside the whole of x + 1

    assert of(function) == (2 * SIZE, 2 * SIZE, SIZE)


def test_an_operation_in_place_allocates_nothing() -> None:
    assert of(lambda x: x.add_(1).mul_(2)) == (0, 0, SIZE)


def test_a_storage_that_is_resized_counts_what_it_grew_by() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        out = x + 1
        return torch.cat([x, x], out=out.resize_(4, 8))

    assert of(function) == (2 * SIZE, 2 * SIZE, 2 * SIZE)


def test_an_output_that_is_returned_twice_counts_once() -> None:
    def function(x: torch.Tensor) -> object:
        y = x + 1
        return {"a": y, "b": [y, (y,)]}

    assert of(function) == (SIZE, SIZE, SIZE)


def test_other_dtypes_have_their_own_bytes() -> None:
    assert of(lambda x: (x.double(), x.half(), x > 0)) == ((8 + 2 + 1) * 16, (8 + 2 + 1) * 16, (8 + 2 + 1) * 16)


def test_something_that_is_no_tensor_has_no_bytes() -> None:
    assert of(lambda x: "text") == (0, 0, 0)


def test_a_layers_peak_is_above_where_its_own_call_began() -> None:
    first, second = Steps(lambda x: x + 1), Steps(lambda x: torch.cat([x, x]).sum())

    profile = profile_of(nn.Sequential(first, second))

    assert numbers(profile["0"]) == (SIZE, SIZE, SIZE)
    assert numbers(profile["1"]) == (2 * SIZE + FLOAT, 2 * SIZE + FLOAT, FLOAT)
    assert numbers(profile.root) == (3 * SIZE + FLOAT, 3 * SIZE + FLOAT, FLOAT)


def test_the_total_allocated_holds_the_layers_inside_and_the_output_does_not() -> None:
    inner = Steps(lambda x: x + 1)

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.inner(x) + self.inner(x)
            return result

    profile = profile_of(Outer())

    assert numbers(profile["inner"]) == (2 * SIZE, SIZE, 2 * SIZE)
    assert numbers(profile.root) == (3 * SIZE, 3 * SIZE, SIZE)


def test_the_baseline_is_parameters_buffers_and_inputs() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
    parameters = (8 * 8 + 8 + 8 + 8) * FLOAT
    buffers = (8 + 8) * FLOAT + 8  # running mean and variance, and the count of batches, an int64

    memory = profile_of(model).memory

    assert memory is not None
    assert memory.baseline_bytes == parameters + buffers + SIZE


def test_a_parameter_that_is_shared_is_in_the_baseline_once() -> None:
    model = nn.Sequential(nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False))
    model[1].weight = model[0].weight

    memory = profile_of(model).memory

    assert memory is not None
    assert memory.baseline_bytes == 8 * 8 * FLOAT + SIZE


def test_the_peak_of_the_step_is_above_the_baseline() -> None:
    memory = profile_of(nn.Sequential(nn.Linear(8, 4), nn.ReLU())).memory

    assert memory is not None
    assert memory.step_peak_bytes == 2 * (2 * 4 * FLOAT)
    assert memory.peak_bytes == memory.baseline_bytes + memory.step_peak_bytes
    assert memory.device == "cpu"


def test_inputs_that_are_written_to_are_not_the_steps_doing() -> None:
    memory = profile_of(Steps(lambda x: x.add_(1)), X.clone()).memory

    assert memory is not None
    assert memory.step_peak_bytes == 0


def test_calls_of_one_layer_add_up_and_their_highest_peak_is_kept() -> None:
    layer = Steps(lambda x: torch.cat([x, x]))

    profile = profile_of(nn.Sequential(layer, layer))

    assert numbers(profile["0"]) == (2 * SIZE + 4 * SIZE, 4 * SIZE, 2 * SIZE + 4 * SIZE)


def test_what_a_step_keeps_for_itself_stays_alive() -> None:
    kept: list[torch.Tensor] = []

    def function(x: torch.Tensor) -> torch.Tensor:
        kept.append(x + 1)
        return x + 2

    assert of(function) == (2 * SIZE, 2 * SIZE, SIZE)


@pytest.mark.parametrize("passes", [("memory",), ("time", "flops", "memory")])
def test_the_numbers_do_not_depend_on_the_passes_before(passes: tuple[str, ...]) -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU())

    row = lp.profile(model, X, passes=passes, warmup=0, repeats=1)["0"]

    assert numbers(row) == (SIZE, SIZE, SIZE)


def test_profiling_twice_gives_the_same_bytes() -> None:
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    x = torch.ones(2, 3, 8)

    first, second = profile_of(model, x), profile_of(model, x)

    assert [numbers(row) for row in first.layers] == [numbers(row) for row in second.layers]
    assert first.memory == second.memory
