"""Which layers are measured by themselves: a partition of the model, none inside another.

root ─▶ container ─▶ block ■   block ■   block ■         blocks: repeated blocks whole
     └▶ other ─▶ linear ■   norm ■                       and layers without children that are in none
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from fnmatch import fnmatchcase
from typing import Literal

from layerprof.records import LayerInfo

_NEVER_CALLED = frozenset({"ModuleList", "ModuleDict"})  # they only hold others


def chosen_units(
    layers: Sequence[LayerInfo],
    *,
    asked: Literal["blocks", "leaves"] | tuple[str, ...],
    reachable: Collection[int],
    called: Collection[int] | None = None,
) -> tuple[int, ...]:
    """Indices of the layers that are units, in definition order.

    A layer whose children cannot be reached (compiled code) counts as one without children.

    Args:
        layers: the model's, root first.
        asked: ``blocks``: blocks whole, and layers without children that are in none; ``leaves``: layers without
            children; globs: the outermost layers of which a path or an alias matches, the root by "" alone.
        reachable: layers that hooks reach: indices of `Target.timed`.
        called: layers that are known to be called, or None; of one that is not, the children are looked at.
    """
    children = _children(layers)
    inside = _has_reachable_inside(children, reachable)
    can_be = frozenset(reachable) if called is None else frozenset(reachable) & frozenset(called)
    is_unit = _rule(layers, asked, inside)
    units: list[int] = []
    waiting = [0] if layers else []
    while waiting:
        index = waiting.pop()
        if index in can_be and is_unit(index):
            units.append(index)
        else:
            waiting.extend(children[index])
    return tuple(sorted(units))


def _rule(
    layers: Sequence[LayerInfo], asked: Literal["blocks", "leaves"] | tuple[str, ...], inside: Sequence[bool]
) -> Callable[[int], bool]:
    """Whether a layer that can be a unit is one, unless it is inside of one."""
    if asked == "leaves":
        return lambda index: not inside[index]
    if asked == "blocks":
        return lambda index: not inside[index] or (index > 0 and layers[index].kind == "block")
    return lambda index: layers[index].type_name not in _NEVER_CALLED and _matches(layers[index], asked)


def _matches(layer: LayerInfo, globs: Sequence[str]) -> bool:
    if not layer.path:
        return "" in globs
    return any(fnmatchcase(name, glob) for name in (layer.path, *layer.aliases) for glob in globs)


def _children(layers: Sequence[LayerInfo]) -> list[list[int]]:
    """Of each layer, the layers right below it by path."""
    index_of = {layer.path: index for index, layer in enumerate(layers)}
    children: list[list[int]] = [[] for _ in layers]
    for index, layer in enumerate(layers):
        if layer.path:
            children[index_of.get(layer.path.rpartition(".")[0], 0)].append(index)
    return children


def _has_reachable_inside(children: Sequence[Sequence[int]], reachable: Collection[int]) -> list[bool]:
    """Of each layer, whether any layer below it can be reached."""
    found = [False] * len(children)
    for index in reversed(range(len(children))):  # parents come before their children
        found[index] = any(child in reachable or found[child] for child in children[index])
    return found
