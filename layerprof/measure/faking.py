"""A step on fake tensors: shapes, dtypes and devices flow through the model, data does not exist.

A model on the meta device has its parameters stand in as fakes on the CPU for the time of the step, so that code
which asks where a tensor lives gets an answer it can work with.
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
def fakes_of_meta(model: nn.Module, mode: FakeTensorMode) -> Iterator[None]:
    """Has parameters and buffers on the meta device stand in as CPU fakes; shared ones stay shared."""
    stand_ins: dict[int, torch.Tensor] = {}
    with ExitStack() as stack:
        for module in model.modules():
            for table in _tables(module):
                for name, tensor in table.items():
                    if tensor is not None and tensor.is_meta:
                        fake = stand_ins.setdefault(id(tensor), _on_cpu(tensor, mode))
                        stack.callback(table.__setitem__, name, tensor)
                        table[name] = fake
        yield


def _tables(module: nn.Module) -> Iterator[dict[str, torch.Tensor | None]]:
    """Where a module keeps its tensors; a fake stands in a parameter's place without being one."""
    yield cast("dict[str, torch.Tensor | None]", module._parameters)
    yield module._buffers


def _on_cpu(tensor: torch.Tensor, mode: FakeTensorMode) -> torch.Tensor:
    with mode:
        fake = torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device="cpu")
    return fake.requires_grad_(tensor.requires_grad)


def run_on_fakes(call: Call, target: Target, paths: CallPaths, counter: FlopCounter) -> None:
    """Runs the step once with every tensor a fake, the counter above the fakes."""
    mode = FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv())
    inputs = tree_map_only(torch.Tensor, lambda tensor: _fake(tensor, mode), _plain(call.inputs))
    step = bound_step(call, inputs)
    with fakes_of_meta(target.tree.modules[0], mode):
        paths.begin()
        with mode, counter, paths.call(0) if target.root_is_step else nullcontext():
            step()


def _plain(inputs: object) -> object:
    return dict(inputs) if isinstance(inputs, Mapping) else inputs


def _fake(tensor: torch.Tensor, mode: FakeTensorMode) -> torch.Tensor:
    return _on_cpu(tensor, mode) if tensor.is_meta else mode.from_tensor(tensor, static_shapes=True)
