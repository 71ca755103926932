"""The layer tree: who is inside whom, folded so that it stays readable on a model with thousands of layers.

Siblings fold into one row, with summed numbers, where they differ only by index: same class, same parameters, same
subtree. Blocks fold wherever they stand (every other Q-Former block has cross-attention, so two groups interleave);
layers without children fold only while they follow one another, so that a `Sequential` keeps its order. A list that is
never called and took nothing lends its name to its members: ``layers.0–38 (39×)``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from layerprof.records import LayerProfile, Profile
from layerprof.views.base import (
    Cell,
    Column,
    Metric,
    Row,
    Table,
    closing_rows,
    layer_metrics,
    measured,
    missing_footnotes,
    time_footnotes,
)

ROOT_LABEL = "(model)"

_METRICS = (
    "calls",
    "total_s",
    "total_share",
    "self_s",
    "device_self_s",
    "device_share",
    "flops",
    "self_flops",
    "flops_share",
    "param_count",
    "peak_bytes",
    "energy",
)
_ONLY_WITHOUT_TIME = ("self_flops", "flops_share")  # else the time columns say where the work is, and width is short
_MOST_PIECES = 4  # of a list of indices, before its middle is left out


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
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
class _Forest:
    """The layers with their children and, for each, a number that equal subtrees share."""

    layers: tuple[LayerProfile, ...]
    children: Mapping[int, list[int]]
    shapes: Mapping[int, int]


def tree_table(profile: Profile, *, max_depth: int | None = None, is_folded: bool = True) -> Table:
    """The tree of layers, closed by the unattributed row and the step.

    Args:
        profile: whose layers are shown.
        max_depth: rows deeper than this are hidden, and their self quantities are added to the row above them, so
            that the books still close; None shows all.
        is_folded: whether siblings that differ only by index share a row; else every layer has its own.
    """
    metrics, footnotes = _columns(profile)
    forest = _forest(profile.layers)
    groups = tuple(_groups(forest, max_depth=max_depth, is_folded=is_folded))
    rows = tuple(_row(group, forest, metrics, is_last=group.depth == max_depth) for group in groups)
    closing = closing_rows(metrics, labels=2)
    if any(group.depth == max_depth and forest.children[group.members[0]] for group in groups):
        footnotes = (*footnotes, f"…: layers below depth {max_depth} are hidden; their self is in the row above them.")
    return Table(
        title="Layers",
        columns=(Column(name="layer", align="left"), Column(name="type", align="left"), *(m.column for m in metrics)),
        rows=(*rows, *closing),
        footnotes=(*time_footnotes(profile), *footnotes),
    )


def _columns(profile: Profile) -> tuple[tuple[Metric, ...], tuple[str, ...]]:
    available = layer_metrics(profile)
    has_time = any(layer.self_s is not None for layer in profile.layers)
    wanted = [available[name] for name in _METRICS if not (has_time and name in _ONLY_WITHOUT_TIME)]
    shown = measured(wanted, profile.layers)
    return shown, missing_footnotes(profile, wanted, shown)


def _row(group: _Group, forest: _Forest, metrics: Sequence[Metric], *, is_last: bool) -> Row:
    own = [forest.layers[place] for place in group.members]
    is_cut = is_last and bool(forest.children[group.members[0]])
    whole = [forest.layers[place] for place in _below(group.members, forest)] if is_cut else own
    cells: list[Cell] = [metric.over(whole if metric.adds_up else own) for metric in metrics]
    label = f"{group.label} …" if is_cut else group.label
    return Row(cells=(label, own[0].type_name, *cells), depth=group.depth)


def _below(members: Sequence[int], forest: _Forest) -> Iterator[int]:
    """The members and everything in them."""
    stack = list(members)
    while stack:
        place = stack.pop()
        yield place
        stack.extend(forest.children[place])


def _forest(layers: tuple[LayerProfile, ...]) -> _Forest:
    places = {layer.path: place for place, layer in enumerate(layers)}
    children: dict[int, list[int]] = {place: [] for place in range(len(layers))}
    for place, layer in enumerate(layers):
        if layer.path:
            children[_parent(layer.path, places)].append(place)
    return _Forest(layers=layers, children=children, shapes=_shapes(layers, children))


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


def _groups(forest: _Forest, *, max_depth: int | None, is_folded: bool) -> Iterator[_Group]:
    """The rows from top to bottom."""
    stack = [_Group(members=(0,), names=("",), label=ROOT_LABEL, depth=0)]
    while stack:
        group = stack.pop()
        below = _children(group, forest, is_folded=is_folded)
        if is_folded and below and _is_silent_list(group, forest):
            stack.extend(_lifted(child, group) for child in reversed(below))
            continue
        yield group
        if group.depth != max_depth:
            stack.extend(reversed(below))


def _children(group: _Group, forest: _Forest, *, is_folded: bool) -> list[_Group]:
    """The groups one level below: the children at one place of every member, folded with their like."""
    siblings = list(zip(*(forest.children[place] for place in group.members), strict=True))
    buckets = _folded(siblings, forest) if is_folded else [[sibling] for sibling in siblings]
    return [_group(bucket, forest, depth=group.depth + 1) for bucket in buckets]


def _group(bucket: Sequence[tuple[int, ...]], forest: _Forest, *, depth: int) -> _Group:
    names = tuple(_name(forest.layers[sibling[0]]) for sibling in bucket)
    label = names[0] if len(names) == 1 else f"{_index_label([int(name) for name in names])} ({len(names)}×)"
    return _Group(
        members=tuple(place for sibling in bucket for place in sibling), names=names, label=label, depth=depth
    )


def _folded(siblings: Sequence[tuple[int, ...]], forest: _Forest) -> list[list[tuple[int, ...]]]:
    buckets: dict[Hashable, list[tuple[int, ...]]] = {}
    run, previous = 0, None
    for sibling in siblings:
        first = sibling[0]
        shape, name = forest.shapes[first], _name(forest.layers[first])
        run, previous = (run if shape == previous else run + 1), shape
        key: Hashable = (shape, None if forest.children[first] else run) if name.isdecimal() else name
        buckets.setdefault(key, []).append(sibling)
    return list(buckets.values())


def _is_silent_list(group: _Group, forest: _Forest) -> bool:
    """Whether the row only says that a list exists: never called, nothing of its own, indexed members."""
    own = [forest.layers[place] for place in group.members]
    members = forest.children[group.members[0]]
    is_idle = all(not layer.calls and not layer.self_flops for layer in own)
    is_idle = is_idle and all(layer.self_s is None or layer.self_s.median == 0 for layer in own)
    is_list = all(_name(forest.layers[place]).isdecimal() for place in members)
    return is_idle and is_list and group.depth > 0


def _lifted(child: _Group, parent: _Group) -> _Group:
    label = f"{parent.label}.{child.label}"
    return _Group(members=child.members, names=child.names, label=label, depth=parent.depth)


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
