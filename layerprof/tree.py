"""From an ``nn.Module`` to the table of its layers: paths, aliases, kinds, stages, parameters.

Identity is the module object. Its canonical path is the first name that ``named_modules()`` gives it; a module that
is reachable by more names keeps the others as aliases. The table is inert (`LayerInfo`); the live modules stand beside
it in the same order, for the instruments to hook.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import nn
from torch.nn.modules import activation, batchnorm, conv, instancenorm

from layerprof.errors import InputError
from layerprof.records import OTHER_STAGE, Kind, LayerInfo, kind_of_class

MAX_NAMES = 100_000  # aliases multiply when shared modules nest; past this many names the walk stops adding aliases

_WRAPPED = "_orig_mod"  # the name by which what torch.compile returned holds the module inside

StageRules = Mapping[str, Sequence[str]]

_KIND_BY_TYPE: tuple[tuple[Kind, tuple[type, ...]], ...] = (
    ("conv", (conv._ConvNd,)),
    ("linear", (nn.Linear, nn.Bilinear)),
    ("attention", (nn.MultiheadAttention,)),
    (
        "norm",
        (
            batchnorm._NormBase,
            instancenorm._InstanceNorm,
            nn.LayerNorm,
            nn.GroupNorm,
            nn.RMSNorm,
            nn.LocalResponseNorm,
        ),
    ),
    ("embedding", (nn.Embedding, nn.EmbeddingBag)),
    ("container", (nn.Sequential, nn.ModuleList, nn.ModuleDict)),
    ("block", (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTree:
    """The layers of a model, root first in definition order, with the live modules beside them.

    Attributes:
        layers: the inert table.
        modules: the modules, in the same order.
        compiled: index of a layer -> what ``torch.compile`` returned for it, which is called in its place.
    """

    layers: tuple[LayerInfo, ...]
    modules: tuple[nn.Module, ...]
    compiled: Mapping[int, nn.Module]

    def index_of(self, module: nn.Module) -> int | None:
        """Where ``module`` stands in the table, or None."""
        return next((i for i, one in enumerate(self.modules) if one is module), None)


def build_tree(model: nn.Module, *, stages: StageRules | None = None) -> LayerTree:
    """The table of ``model``'s layers.

    Args:
        model: any module; a compiled one is unwrapped by the caller.
        stages: name to globs over paths (``*`` also matches dots). A layer that matches belongs to the first stage
            that does; else it is in its parent's. None makes a stage of each top-level child.

    Raises:
        InputError: when ``stages`` is not a mapping from names to sequences of globs.
    """
    names = _names_by_module(model)
    modules = tuple(module for _, module in names.values())
    paths = [found[0] for found, _ in names.values()]
    stage_of = _stages(paths, _checked(stages))
    own = [_own_parameters(module) for module in modules]
    layers = tuple(
        _layer(found, module, stage_of[found[0]], parameters)
        for (found, module), parameters in zip(names.values(), _first_owned(own), strict=True)
    )
    wrappers = {id(inner): module for module in model.modules() if (inner := wrapped_in(module)) is not None}
    compiled = {index: wrappers[id(module)] for index, module in enumerate(modules) if id(module) in wrappers}
    return LayerTree(layers=layers, modules=modules, compiled=compiled)


def wrapped_in(module: nn.Module) -> nn.Module | None:
    """The module inside what ``torch.compile`` returned; None for any other.

    Not by getattr: a wrapper of the user's own may forward names that it lacks to the module inside it.
    """
    held = module._modules
    if _WRAPPED in held:  # not by get(), which scripted modules' tables do not have
        return held[_WRAPPED]
    return None


def _names_by_module(model: nn.Module) -> dict[int, tuple[list[str], nn.Module]]:
    """Every module by identity with all its names, in the order of ``named_modules()``."""
    found: dict[int, tuple[list[str], nn.Module]] = {
        id(module): ([_without_wrappers(name)], module)
        for name, module in model.named_modules()
        if wrapped_in(module) is None
    }
    for count, (name, module) in enumerate(_all_names(model, "", ())):
        if count > MAX_NAMES:
            break
        names = found[id(module)][0]
        if name != names[0]:
            names.append(name)
    return found


def _all_names(module: nn.Module, name: str, above: tuple[int, ...]) -> Iterator[tuple[str, nn.Module]]:
    """Every (name, module) pair, shared modules once for each name; a module inside itself is not entered again."""
    yield name, module
    for child_name, held in module._modules.items():
        child = _unwrapped(held)
        if child is not None and id(child) not in above and child is not module:
            path = f"{name}.{child_name}" if name else child_name
            yield from _all_names(child, path, (*above, id(module)))


def _unwrapped(held: nn.Module | None) -> nn.Module | None:
    inner = None if held is None else wrapped_in(held)
    return held if inner is None else inner


def _without_wrappers(name: str) -> str:
    return ".".join(part for part in name.split(".") if part != _WRAPPED)


def _checked(stages: StageRules | None) -> StageRules | None:
    if stages is None or _is_rules(stages):
        return stages
    raise InputError(f'stages must map names to lists of globs, such as {{"encoder": ["encoder.*"]}}; found {stages!r}')


def _is_rules(stages: object) -> bool:
    return isinstance(stages, Mapping) and all(
        isinstance(name, str)
        and isinstance(globs, Sequence)
        and not isinstance(globs, str)
        and all(isinstance(glob, str) for glob in globs)
        for name, globs in stages.items()
    )


def _stages(paths: Sequence[str], rules: StageRules | None) -> dict[str, str]:
    """The stage of each path: the first rule that matches it, else its parent's, else ``other``."""
    stage_of: dict[str, str] = {}
    for path in paths:  # parents come first
        if rules is None:
            stage_of[path] = path.split(".")[0] or OTHER_STAGE
            continue
        matched = (name for name, globs in rules.items() if any(fnmatchcase(path, glob) for glob in globs))
        stage_of[path] = next(matched, None) or _inherited(path, stage_of)
    return stage_of


def _inherited(path: str, stage_of: Mapping[str, str]) -> str:
    parent = path.rpartition(".")[0]
    return stage_of.get(parent, OTHER_STAGE) if path else OTHER_STAGE


def _own_parameters(module: nn.Module) -> dict[int, tuple[int, int]]:
    """Parameters that the module itself holds, by identity, as (count, bytes); lazy ones count 0."""
    return {id(parameter): _size(parameter) for parameter in module._parameters.values() if parameter is not None}


def _size(parameter: torch.Tensor) -> tuple[int, int]:
    if isinstance(parameter, nn.UninitializedParameter):
        return 0, 0
    return parameter.numel(), parameter.numel() * parameter.element_size()


def _first_owned(own: Sequence[dict[int, tuple[int, int]]]) -> Iterator[tuple[int, int]]:
    """(count, bytes) of each layer's own parameters, each parameter counting for its first holder only."""
    seen: set[int] = set()
    for parameters in own:
        fresh = [size for key, size in parameters.items() if key not in seen]
        seen.update(parameters)
        yield sum(count for count, _ in fresh), sum(size for _, size in fresh)


def _layer(names: Sequence[str], module: nn.Module, stage: str, own: tuple[int, int]) -> LayerInfo:
    sizes = [_size(parameter) for parameter in module.parameters()]
    return LayerInfo(
        path=names[0],
        aliases=tuple(names[1:]),
        type_name=type(module).__name__,
        kind=kind_of(module),
        depth=names[0].count(".") + 1 if names[0] else 0,
        stage=stage,
        param_count=sum(count for count, _ in sizes),
        param_bytes=sum(size for _, size in sizes),
        own_param_count=own[0],
        own_param_bytes=own[1],
    )


def kind_of(module: nn.Module) -> Kind:
    """What sort of layer a module is: by its type where torch has one for it, else by how its class's name ends."""
    for kind, types in _KIND_BY_TYPE:
        if isinstance(module, types):
            return kind
    if type(module).__module__ in (activation.__name__, "transformers.activations"):
        return "activation"
    return kind_of_class(type(module).__name__)
