"""The model as it can be measured: which layers hooks reach, and which are inside compiled or scripted code.

Facts this stands on (torch 2.13): hooks added after compilation never fire inside a compiled graph, and hooks added
before break it into many; a hook on what ``torch.compile`` returned does fire; ``module.compile()`` bypasses the
module's own hooks too; scripted modules refuse hooks; ``nn.TransformerEncoderLayer`` takes its fused path, in eval
mode, only while nothing in it has hooks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from layerprof.attribute import IN_COMPILED, Unseen
from layerprof.errors import InputError
from layerprof.instruments import Site
from layerprof.measure.base import Target
from layerprof.tree import LayerTree, StageRules, build_tree, wrapped_in

_SCRIPTED = "scripted modules take no hooks; profile the module before torch.jit.script"


def unwrapped(model: nn.Module) -> nn.Module:
    """The module whose paths are reported: what was compiled, for what ``torch.compile`` returned.

    Raises:
        InputError: for anything that is no module.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"a torch.nn.Module is profiled; found {type(model).__name__}")
    inner = wrapped_in(model)
    return model if inner is None else inner


def resolve(
    model: nn.Module,
    *,
    stages: StageRules | None = None,
    method: str | None = None,
    runs_step: bool,
    inputs: object = None,
) -> Target:
    """What can be hooked of ``model``, and how its root is seen.

    Args:
        model: as handed over, compiled or not.
        stages: name to globs, or None.
        method: the method that the step calls instead of the model itself, or None.
        runs_step: whether we call the model ourselves, so that a root without hooks can be bracketed.
        inputs: of the step; they tell the device of a model that holds no tensor.
    """
    inner = unwrapped(model)
    tree = build_tree(inner, stages=stages)
    scripted = _Region(tree, _SCRIPTED)
    compiled = _Region(tree, IN_COMPILED)
    called_as = {**tree.compiled, **({} if model is inner else {0: model})}
    for index, module in enumerate(tree.modules):
        if isinstance(module, torch.jit.ScriptModule):
            scripted.cover(index, with_itself=True)
        elif module._compiled_call_impl is not None:
            compiled.cover(index, with_itself=True)
        elif index in called_as or _is_compiled_forward(module):
            compiled.cover(index, with_itself=False)
    root_is_step = runs_step and (method is not None or 0 in scripted.layers | compiled.layers)
    modules = tuple(called_as.get(index, module) for index, module in enumerate(tree.modules))
    return Target(
        tree=tree,
        callables=modules,
        device=_device_of(inner, inputs),
        timed=_sites(modules, without=scripted.layers | compiled.layers, is_root_hooked=not root_is_step),
        counted=_sites(modules, without=scripted.layers, is_root_hooked=not root_is_step),
        unseen_timed=_unseen(scripted, compiled, root_is_step=root_is_step),
        unseen_counted=_unseen(scripted, root_is_step=root_is_step),
        root_is_step=root_is_step,
        is_compiled=bool(compiled.scopes),
        rerouted=tuple(
            info.path
            for info, module in zip(tree.layers, tree.modules, strict=True)
            if isinstance(module, nn.TransformerEncoderLayer)
        ),
    )


class _Region:
    """Layers under modules of one sort, with the globs that cover them and the reason."""

    def __init__(self, tree: LayerTree, reason: str) -> None:
        self._tree = tree
        self._reason = reason
        self.layers: set[int] = set()
        self.scopes: list[tuple[str, str]] = []

    def cover(self, index: int, *, with_itself: bool) -> None:
        """Adds everything below a layer, and the layer where asked."""
        path = self._tree.layers[index].path
        inside = set(map(id, self._tree.modules[index].modules())) - {id(self._tree.modules[index])}
        self.layers |= {at for at, module in enumerate(self._tree.modules) if id(module) in inside}
        self.scopes.append((f"{path}.*" if path else "?*", self._reason))
        if with_itself:
            self.layers.add(index)
            self.scopes.append((path, self._reason))


def _unseen(*regions: _Region, root_is_step: bool) -> Unseen:
    """What hooks do not reach; the root is seen all the same where the runner brackets it."""
    layers = frozenset[int]().union(*(region.layers for region in regions))
    scopes = tuple(scope for region in regions for scope in region.scopes)
    if root_is_step:
        layers, scopes = layers - {0}, tuple(scope for scope in scopes if scope[0] != "")
    return Unseen(layers=layers, scopes=scopes)


def _sites(modules: tuple[nn.Module, ...], *, without: set[int], is_root_hooked: bool) -> tuple[Site, ...]:
    return tuple(
        Site(index=index, module=module)
        for index, module in enumerate(modules)
        if index not in without and (index or is_root_hooked)
    )


def _is_compiled_forward(module: nn.Module) -> bool:
    """Whether ``module.forward`` was replaced by what ``torch.compile`` returned."""
    return hasattr(module.__dict__.get("forward"), "_torchdynamo_orig_callable")


def _device_of(model: nn.Module, inputs: object) -> torch.device:
    """The device of the model's first tensor, else of the inputs' first, else the CPU."""
    plain = dict(inputs) if isinstance(inputs, Mapping) else inputs
    among_inputs = (leaf for leaf in tree_leaves(plain) if isinstance(leaf, torch.Tensor))
    return next((tensor.device for tensor in chain(_tensors(model), among_inputs)), torch.device("cpu"))


def _tensors(model: nn.Module) -> Iterator[torch.Tensor]:
    yield from model.parameters()
    yield from model.buffers()


def describe_inputs(inputs: object) -> tuple[tuple[str, str], ...]:
    """The inputs as (name, description) pairs for the record: dtype and shape of tensors, the type of the rest."""
    if inputs is None:
        return ()
    if isinstance(inputs, Mapping):
        return tuple((str(name), _described(value)) for name, value in inputs.items())
    values = inputs if isinstance(inputs, tuple | list) else (inputs,)
    return tuple((str(position), _described(value)) for position, value in enumerate(values))


def _described(value: object) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{_shape(value)}"
    return repr(value) if isinstance(value, bool | int | float) else type(value).__name__


def _shape(tensor: torch.Tensor) -> str:
    """The tensor's shape; a ragged batch has a ``*`` where its parts differ."""
    if tensor.is_nested and tensor.layout == torch.strided:
        return f"[{', '.join(_size(tensor, dim) for dim in range(tensor.dim()))}]"
    return str(list(tensor.shape))


def _size(ragged: torch.Tensor, dim: int) -> str:
    try:
        return str(ragged.size(dim))
    except RuntimeError:  # how torch says that the parts differ
        return "*"
