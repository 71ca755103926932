"""A step on fake tensors: shapes, dtypes and devices flow through the model, data does not exist.

For the time of the step fakes stand in for the model's own tensors. Those of a model on the meta device live on the
CPU, so that code which asks where a tensor is gets an answer it can work with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import cast

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils._pytree import tree_map_only

from layerprof.flops import FlopCounter
from layerprof.instruments import CallPaths
from layerprof.measure.base import Call, Target, bound_step


@contextmanager
def standing_in(model: nn.Module, mode: FakeTensorMode) -> Iterator[None]:
    """Has fakes stand in for every tensor that a module holds, and undoes whatever the step does to the modules.

    Parameters, buffers and plain attributes; shared ones stay shared. Those of the meta device stand in on the CPU.
    What the step adds or replaces, such as a table it keeps for the next call, is gone afterwards: it would be a fake.
    """
    stand_ins: dict[int, torch.Tensor] = {}
    with ExitStack() as stack:
        for module in model.modules():
            for table in _tables(module):
                stack.callback(_restore, table, dict(table))
        for module in model.modules():
            for table in _tables(module):
                for name, value in table.items():
                    if isinstance(value, torch.Tensor):
                        if id(value) not in stand_ins:
                            stand_ins[id(value)] = _fake(value, mode)
                        table[name] = stand_ins[id(value)]
        yield


def _tables(module: nn.Module) -> Iterator[dict[str, object]]:
    """Where a module keeps what it holds; a fake stands in a parameter's place without being one."""
    for table in (module.__dict__, module._parameters, module._buffers, module._modules):
        yield cast("dict[str, object]", table)


def _restore(table: dict[str, object], before: dict[str, object]) -> None:
    table.clear()
    table.update(before)


def _on_cpu(tensor: torch.Tensor, mode: FakeTensorMode) -> torch.Tensor:
    with mode:
        fake = torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device="cpu")
    return fake.requires_grad_(tensor.requires_grad)


def run_on_fakes(call: Call, target: Target, paths: CallPaths, counter: FlopCounter) -> None:
    """Runs the step once with every tensor a fake, the counter above the fakes."""
    mode = FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv())
    inputs = tree_map_only(torch.Tensor, lambda tensor: _fake(tensor, mode), _plain(call.inputs))
    step = bound_step(call, inputs)
    with standing_in(target.tree.modules[0], mode):
        paths.begin()
        with mode, counter, paths.call(0) if target.root_is_step else nullcontext():
            step()


def _plain(inputs: object) -> object:
    return dict(inputs) if isinstance(inputs, Mapping) else inputs


def _fake(tensor: torch.Tensor, mode: FakeTensorMode) -> torch.Tensor:
    return _on_cpu(tensor, mode) if tensor.is_meta else mode.from_tensor(tensor, static_shapes=True)
