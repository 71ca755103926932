"""The layers as rows of a tree, folded so that it stays readable on a model with thousands of layers.

Siblings fold into one row where they differ only by index: same class, same parameters, same subtree. Blocks fold
wherever they stand (every other Q-Former block has cross-attention, so two groups interleave); layers without children
fold only while they follow one another, so that a `Sequential` keeps its order. A list that is never called and took
nothing lends its name to its members: ``layers.0–38 (39×)``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from layerprof.records import LayerProfile

ROOT_LABEL = "(model)"

_MOST_PIECES = 4  # of a list of indices, before its middle is left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Layers that share one row.

    Attributes:
        members: their places in the profile's layers.
        names: the last part of each one's path; one for each sibling that was folded.
        label: what the row is called.
        depth: of the row.
    """

    members: tuple[int, ...]
    names: tuple[str, ...]
    label: str
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """The layers with their children and, for each, a number that equal subtrees share."""

    layers: tuple[LayerProfile, ...]
    children: Mapping[int, list[int]]
    shapes: Mapping[int, int]


def layers_below(members: Sequence[int], forest: Forest) -> Iterator[int]:
    """The members and everything in them."""
    stack = list(members)
    while stack:
        place = stack.pop()
        yield place
        stack.extend(forest.children[place])


def forest_of(layers: tuple[LayerProfile, ...]) -> Forest:
    """The layers, root first, as a tree."""
    places = {layer.path: place for place, layer in enumerate(layers)}
    children: dict[int, list[int]] = {place: [] for place in range(len(layers))}
    for place, layer in enumerate(layers):
        if layer.path:
            children[_parent(layer.path, places)].append(place)
    return Forest(layers=layers, children=children, shapes=_shapes(layers, children))


def _parent(path: str, places: Mapping[str, int]) -> int:
    """The place of the nearest layer above ``path``; the root's where there is none between."""
    above = path
    while "." in above:
        above = above.rpartition(".")[0]
        if above in places:
            return places[above]
    return 0


def _shapes(layers: tuple[LayerProfile, ...], children: Mapping[int, list[int]]) -> dict[int, int]:
    """A number for each layer that is equal for equal classes, parameters and subtrees."""
    numbers: dict[Hashable, int] = {}
    shapes: dict[int, int] = {}
    for place in sorted(children, key=lambda place: -_depth(layers[place])):  # children first, without recursion
        layer = layers[place]
        below = tuple((_name(layers[child]), shapes[child]) for child in children[place])
        shapes[place] = numbers.setdefault((layer.type_name, layer.param_count, below), len(numbers))
    return shapes


def _depth(layer: LayerProfile) -> int:
    return layer.path.count(".") + 1 if layer.path else 0


def _name(layer: LayerProfile) -> str:
    return layer.path.rpartition(".")[2]


def groups_of(forest: Forest, *, max_depth: int | None, is_folded: bool) -> Iterator[Group]:
    """The rows from top to bottom.

    Args:
        forest: of all layers.
        max_depth: of the deepest rows; None has no limit.
        is_folded: whether siblings that differ only by index share a row; else every layer has its own.
    """
    stack = [Group(members=(0,), names=("",), label=ROOT_LABEL, depth=0)]
    while stack:
        group = stack.pop()
        below = _children(group, forest, is_folded=is_folded)
        if is_folded and below and _is_silent_list(group, forest):
            stack.extend(_lifted(child, group) for child in reversed(below))
            continue
        yield group
        if group.depth != max_depth:
            stack.extend(reversed(below))


def _children(group: Group, forest: Forest, *, is_folded: bool) -> list[Group]:
    """The groups one level below: the children at one place of every member, folded with their like."""
    siblings = list(zip(*(forest.children[place] for place in group.members), strict=True))
    buckets = _folded(siblings, forest) if is_folded else [[sibling] for sibling in siblings]
    return [_group(bucket, forest, depth=group.depth + 1) for bucket in buckets]


def _group(bucket: Sequence[tuple[int, ...]], forest: Forest, *, depth: int) -> Group:
    names = tuple(_name(forest.layers[sibling[0]]) for sibling in bucket)
    label = names[0] if len(names) == 1 else f"{_index_label([int(name) for name in names])} ({len(names)}×)"
    return Group(members=tuple(place for sibling in bucket for place in sibling), names=names, label=label, depth=depth)


def _folded(siblings: Sequence[tuple[int, ...]], forest: Forest) -> list[list[tuple[int, ...]]]:
    buckets: dict[Hashable, list[tuple[int, ...]]] = {}
    run, previous = 0, None
    for sibling in siblings:
        first = sibling[0]
        shape, name = forest.shapes[first], _name(forest.layers[first])
        run, previous = (run if shape == previous else run + 1), shape
        key: Hashable = (shape, None if forest.children[first] else run) if name.isdecimal() else name
        buckets.setdefault(key, []).append(sibling)
    return list(buckets.values())


def _is_silent_list(group: Group, forest: Forest) -> bool:
    """Whether the row only says that a list exists: never called, nothing of its own, indexed members."""
    own = [forest.layers[place] for place in group.members]
    members = forest.children[group.members[0]]
    is_idle = all(not layer.calls and not layer.self_flops for layer in own)
    is_idle = is_idle and all(layer.self_s is None or layer.self_s.median == 0 for layer in own)
    is_list = all(_name(forest.layers[place]).isdecimal() for place in members)
    return is_idle and is_list and group.depth > 0


def _lifted(child: Group, parent: Group) -> Group:
    label = f"{parent.label}.{child.label}"
    return Group(members=child.members, names=child.names, label=label, depth=parent.depth)


def _index_label(indices: Sequence[int]) -> str:
    """The indices as ranges, such as ``0–38`` or ``0,2–5``; the middle of a long list is left out."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    pieces = [str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs]
    if len(pieces) > _MOST_PIECES:
        pieces = [*pieces[:2], "…", pieces[-1]]
    return ",".join(pieces)
