"""FLOPs of ragged batches (nested tensors): the sum over their components.

Whatever an op does to a nested tensor it does to each component by itself, so the formula for dense tensors is asked
once for each, with all nested arguments and outputs replaced by tensors of that component's sizes. Source: torch's
documentation of ``torch.nested``: ``_nested_tensor_size`` holds the sizes of strided ones, the offsets (and lengths,
where there are gaps) those of jagged ones.

Limits: sizes are data. Where they are not at hand (fake tensors), or components of different tensors do not pair up,
the op is not counted.
"""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch._subclasses.fake_tensor import FakeTensor

from layerprof.flops.base import Flops, Formula, OpCall, as_it_is, has_data


class _Jagged(Protocol):
    """What a jagged tensor has beyond other tensors."""

    _ragged_idx: int

    def offsets(self) -> torch.Tensor:
        """Where each component begins, and the end of the last."""
        ...

    def lengths(self) -> torch.Tensor | None:
        """How long each is, where that is not up to the next."""
        ...


def over_components(formula: Formula) -> Formula:
    """The formula, for nested tensors too."""

    def summed(call: OpCall) -> Flops | None:
        sizes = [_sizes(tensor) for tensor in _nested_in(call)]
        if not sizes:
            return formula(call)
        known = [one for one in sizes if one is not None]
        if len(known) < len(sizes) or len({len(one) for one in known}) != 1:
            return None
        counts = [formula(_component(call, index)) for index in range(len(known[0]))]
        return _sum(counts)

    return summed


def _nested_in(call: OpCall) -> list[torch.Tensor]:
    outputs = call.output if isinstance(call.output, tuple | list) else (call.output,)
    values = (*call.args, *call.named.values(), *outputs)
    return [value for value in values if isinstance(value, torch.Tensor) and value.is_nested]


def _sum(counts: list[Flops | None]) -> Flops | None:
    known = [one for one in counts if one is not None]
    if len(known) < len(counts):
        return None
    return Flops(sum(one.dense for one in known), sum(one.causal for one in known))


def _component(call: OpCall, index: int) -> OpCall:
    """The op on one component of each nested tensor."""
    output = call.output
    if isinstance(output, tuple | list):
        outputs: object = tuple(_one_of(value, index) for value in output)
    else:
        outputs = _one_of(output, index)
    return OpCall(
        tuple(_one_of(value, index) for value in call.args),
        {name: _one_of(value, index) for name, value in call.named.items()},
        outputs,
    )


def _one_of(value: object, index: int) -> object:
    """What stands for a component: a tensor of its sizes, without data."""
    if not isinstance(value, torch.Tensor) or not value.is_nested:
        return value
    sizes = _sizes(value)
    assert sizes is not None, "asked for before its sizes were known"
    return torch.empty(sizes[index], dtype=value.dtype, device="meta")


def _sizes(tensor: torch.Tensor) -> list[list[int]] | None:
    """The sizes of each component; None where they are not at hand."""
    if tensor.layout == torch.jagged:
        return _sizes_of_jagged(tensor)
    if isinstance(tensor, FakeTensor):
        return None
    with as_it_is():
        return [[int(size) for size in row] for row in tensor._nested_tensor_size().tolist()]


def _sizes_of_jagged(tensor: torch.Tensor) -> list[list[int]] | None:
    jagged = cast(_Jagged, tensor)
    lengths = jagged.lengths()
    if not has_data(jagged.offsets() if lengths is None else lengths):
        return None
    with as_it_is():
        known = (jagged.offsets().diff() if lengths is None else lengths).tolist()
    return [
        [int(length) if dim == jagged._ragged_idx else int(size) for dim, size in enumerate(tensor.shape) if dim]
        for length in known
    ]
