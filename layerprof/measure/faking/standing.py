"""Stand-ins for what the modules of a model hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import nn


def put_stand_ins(model: nn.Module, stand_in: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Puts fakes in the place of every tensor that a module holds: parameters, buffers and plain attributes.

    Shared ones stay shared. Whoever calls it keeps what was there.
    """
    stand_ins: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # with the real one, whose id stays its own so
    for module in model.modules():
        for table in _tables(module):
            for name, value in table.items():
                if isinstance(value, torch.Tensor):
                    if id(value) not in stand_ins:
                        stand_ins[id(value)] = value, stand_in(value)
                    table[name] = stand_ins[id(value)][1]


def _tables(module: nn.Module) -> Iterator[dict[str, object]]:
    """Where a module keeps what it holds."""
    yield module.__dict__
    for value in list(module.__dict__.values()):  # parameters, buffers, modules, hooks, and what the model keeps itself
        if isinstance(value, dict):
            yield cast("dict[str, object]", value)
