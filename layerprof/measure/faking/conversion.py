"""Conversions of layers on the way: ``self.layer.to(dtype)`` inside a forward.

torch converts a fake parameter by exchanging what two Python objects stand for, which it refuses where a weak reference
to one of them exists, and fakes have those. So modules get new parameters instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

_Apply = Callable[[nn.Module, Callable[[torch.Tensor], torch.Tensor], bool], nn.Module]


@contextmanager
def converting_by_new_parameters() -> Iterator[None]:
    """The block in which modules that hold fakes are converted so; all others as ever."""
    original = cast("_Apply", nn.Module._apply)

    def converted(
        module: nn.Module, function: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True
    ) -> nn.Module:
        held = (*module._parameters.values(), *module._buffers.values())
        if not any(isinstance(tensor, FakeTensor) for tensor in held):
            return original(module, function, recurse)
        for child in module.children() if recurse else ():
            child._apply(function)
        _convert(module, function)
        return module

    nn.Module._apply = converted  # type: ignore[method-assign]  # for the block alone
    try:
        yield
    finally:
        nn.Module._apply = original  # type: ignore[method-assign,assignment]  # as it was


def _convert(module: nn.Module, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Puts what the function makes of them in the place of what the module itself holds."""
    for name, parameter in module._parameters.items():
        if parameter is not None:
            with torch.no_grad():
                new = function(parameter)
            if new is not parameter:
                module._parameters[name] = nn.Parameter(new, parameter.requires_grad)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            module._buffers[name] = function(buffer)
