"""FLOPs as other counters have them: torch's by dispatch, and fvcore's by tracing, in multiply-adds."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it is scripted by torch.jit
    from fvcore.nn import FlopCountAnalysis
    from fvcore.nn.jit_handles import get_shape

Handle = Callable[[list[Any], list[Any]], int]


def torch_flops(model: nn.Module, inputs: Mapping[str, Tensor], *, backend: SDPBackend | None = SDPBackend.MATH) -> int:
    """By torch's own mode, on the path on which attention is two products, or on one of another backend."""
    mode = FlopCounterMode(display=False)
    with torch.enable_grad(), sdpa_kernel(list(SDPBackend.__members__.values()) if backend is None else backend), mode:
        model(**inputs)
    return int(mode.get_total_flops())


def fvcore_macs(
    model: nn.Module, inputs: Mapping[str, Tensor], handles: Mapping[str, Handle] | None = None
) -> tuple[dict[str, int], set[str]]:
    """Multiply-adds by op, as fvcore names it, and the ops that it had no handle for."""
    wrapped = _Positional(model, tuple(inputs))
    with torch.no_grad(), _silence():
        analysis = FlopCountAnalysis(wrapped, tuple(inputs.values()))
        for name, handle in (handles or {}).items():
            analysis.set_op_handle(name, handle)
        by_op = {name: int(count) for name, count in analysis.by_operator().items()}
        return by_op, set(analysis.unsupported_ops())


class _Positional(nn.Module):
    """A model that takes its inputs by position and returns tensors alone, as tracing wants it."""

    def __init__(self, model: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(_tensors(self.model(**dict(zip(self.names, inputs, strict=True)))))


def _tensors(output: object) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        for part in output.values():
            yield from _tensors(part)
    elif isinstance(output, list | tuple):
        for part in output:
            yield from _tensors(part)


@contextmanager
def _silence() -> Iterator[None]:
    """Tracing warns of every branch that it fixes, and fvcore logs every op that it does not know."""
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _attention(inputs: list[Any], outputs: list[Any]) -> int:
    """Of ``scaled_dot_product_attention(query, key, value, ...)``."""
    query, key, value = (get_shape(one) for one in inputs[:3])
    return int(math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1]))


def _product_onto(inputs: list[Any], outputs: list[Any]) -> int:
    """Of ``baddbmm(c, a, b, ...)``."""
    return int(math.prod(get_shape(inputs[1])) * get_shape(inputs[2])[-1])


def _grouped_product(inputs: list[Any], outputs: list[Any]) -> int:
    """Of ``_grouped_mm(rows, matrices, ...)``."""
    return int(math.prod(get_shape(inputs[0])) * get_shape(inputs[1])[-1])


def _convolution(inputs: list[Any], outputs: list[Any]) -> int:
    """Of ``_convolution_mode(input, weight, ...)``, whose padding is a word."""
    return int(math.prod(get_shape(outputs[0])) * math.prod(get_shape(inputs[1])[1:]))


def _lstm(inputs: list[Any], outputs: list[Any]) -> int:
    """Of ``lstm(input, states, weights, ...)``: every step meets every matrix."""
    shapes = [get_shape(weight) for weight in inputs[2].node().inputs()]
    steps = math.prod(get_shape(inputs[0])[:-1])
    return int(steps * sum(math.prod(shape) for shape in shapes if len(shape) > 1))


def _transform(inputs: list[Any], outputs: list[Any]) -> int:
    """Of ``fft_fftn(x, sizes, dims, ...)``: by convention 5 n log₂ n FLOPs, so half as many multiply-adds."""
    shape: list[int] = get_shape(inputs[0])
    points = math.prod(shape[dim.toIValue()] for dim in inputs[2].node().inputs())
    return round(5 * math.prod(shape) * math.log2(points)) // 2


HANDLES: Mapping[str, Handle] = {
    "aten::scaled_dot_product_attention": _attention,
    "aten::baddbmm": _product_onto,
    "aten::_grouped_mm": _grouped_product,
    "aten::_convolution_mode": _convolution,
    "aten::lstm": _lstm,
    "aten::fft_fftn": _transform,
}
