"""An independent FLOP count: the products, convolutions and attentions that a model's Python code asks torch for.

It stands at the level of torch functions, above dispatch, and reads results where layerprof's counter reads operands:
every element of a product's result took ``inner`` multiplies and adds. It shares nothing with `layerprof.flops`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

Count = Callable[[Sequence[Any], Mapping[str, Any], Tensor], int]


def _product(first: int) -> Count:
    """Of a product whose left operand is argument ``first``: the length of its rows is summed over."""

    def count(args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> int:
        return 2 * result.numel() * int(args[first].shape[-1])

    return count


def _reflected_product(args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> int:
    return 2 * result.numel() * int(args[1].shape[-1])


def _convolution(args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> int:
    weight = args[1] if len(args) > 1 else kwargs["weight"]
    return 2 * result.numel() * int(weight[0].numel())


def _transposed_convolution(args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> int:
    weight = args[1] if len(args) > 1 else kwargs["weight"]
    return 2 * int(args[0].numel()) * int(weight[0].numel())


def _attention(args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> int:
    query, key = args[:2]
    keys = int(key.shape[-2])
    return 2 * int(query.numel()) * keys + 2 * result.numel() * keys


def _einsum(args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> int:
    equation, *operands = args
    inputs = equation.replace(" ", "").split("->")[0].split(",")
    assert len(inputs) == len(operands) == 2
    assert "." not in equation
    size = {
        letter: n for word, one in zip(inputs, operands, strict=True) for letter, n in zip(word, one.shape, strict=True)
    }
    return 2 * int(torch.Size(size.values()).numel())


_COUNTS: dict[Callable[..., Any], Count] = {
    functional.linear: _product(0),
    torch.matmul: _product(0),
    torch.mm: _product(0),
    torch.bmm: _product(0),
    torch.mv: _product(0),
    torch.addmm: _product(1),
    torch.baddbmm: _product(1),
    Tensor.matmul: _product(0),
    Tensor.__matmul__: _product(0),
    Tensor.__rmatmul__: _reflected_product,
    Tensor.mm: _product(0),
    Tensor.bmm: _product(0),
    Tensor.addmm: _product(1),
    Tensor.baddbmm: _product(1),
    functional.conv1d: _convolution,
    functional.conv2d: _convolution,
    functional.conv3d: _convolution,
    functional.conv_transpose1d: _transposed_convolution,
    functional.conv_transpose2d: _transposed_convolution,
    functional.conv_transpose3d: _transposed_convolution,
    functional.scaled_dot_product_attention: _attention,
    torch.einsum: _einsum,
}
_HIDES_PRODUCTS = {functional.multi_head_attention_forward, functional.bilinear, torch.lstm, torch.gru, torch.tensordot}


class FunctionCounter(TorchFunctionMode):
    """Adds up the FLOPs of the torch functions called in its block.

    Attributes:
        flops: so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        assert func not in _HIDES_PRODUCTS, f"{func} has products inside that this counter cannot see"
        result = func(*args, **(kwargs or {}))
        if func in _COUNTS:
            self.flops += _COUNTS[func](args, kwargs or {}, result)
        return result


def function_flops(model: torch.nn.Module, inputs: Mapping[str, Any]) -> int:
    """FLOPs of one forward in eval mode, counted independently."""
    counter = FunctionCounter()
    with torch.no_grad(), counter:
        model.eval()(**inputs)
    return counter.flops
