"""The layer tree: who is inside whom, with what each took; siblings that differ only by index share a row."""

from __future__ import annotations

from collections.abc import Sequence

from layerprof.records import Profile
from layerprof.views.base import (
    Cell,
    Column,
    Forest,
    Group,
    Reading,
    Row,
    Table,
    above_footnotes,
    closing_rows,
    energy_footnotes,
    energy_readings,
    forest_of,
    groups_of,
    layer_metrics,
    layers_below,
    measured,
    missing_footnotes,
    roof_readings,
    time_footnotes,
)

_METRICS = (
    "calls",
    "total_s",
    "total_share",
    "self_s",
    "device_total_s",
    "device_self_s",
    "flops",
    "self_flops",
    "flops_share",
    "intensity",
    "efficiency",
    "bound",
    "param_count",
    "peak_bytes",
    "energy",
)
_ONLY_WITHOUT_TIME = ("self_flops", "flops_share")  # else the time columns say where the work is, and width is short


def tree_table(profile: Profile, *, max_depth: int | None = None, is_folded: bool = True) -> Table:
    """The tree of layers, closed by the unattributed row and the step.

    Args:
        profile: whose layers are shown.
        max_depth: rows deeper than this are hidden, and their self quantities are added to the row above them, so
            that the books still close; None shows all.
        is_folded: whether siblings that differ only by index share a row; else every layer has its own.
    """
    metrics, footnotes = _columns(profile)
    forest = forest_of(profile.layers)
    groups = tuple(groups_of(forest, max_depth=max_depth, is_folded=is_folded))
    rows = tuple(_row(group, forest, metrics, is_last=group.depth == max_depth) for group in groups)
    closing = closing_rows(metrics, labels=2)
    if any(group.depth == max_depth and forest.children[group.members[0]] for group in groups):
        footnotes = (*footnotes, f"…: layers below depth {max_depth} are hidden; their self is in the row above them.")
    return Table(
        title="Layers",
        columns=(Column(name="layer", align="left"), Column(name="type", align="left"), *(m.column for m in metrics)),
        rows=(*rows, *closing),
        footnotes=(
            *time_footnotes(profile),
            *footnotes,
            *energy_footnotes(profile),
            *above_footnotes(profile, [cell for row in rows for cell in row.cells]),
        ),
    )


def _columns(profile: Profile) -> tuple[tuple[Reading, ...], tuple[str, ...]]:
    available: dict[str, Reading] = {
        **layer_metrics(profile),
        **roof_readings(profile),
        **energy_readings(profile),
    }
    has_time = any(layer.self_s is not None for layer in profile.layers)
    wanted = [available[name] for name in _METRICS if not (has_time and name in _ONLY_WITHOUT_TIME)]
    shown = measured(wanted, profile.layers)
    return shown, missing_footnotes(profile, wanted, shown)


def _row(group: Group, forest: Forest, metrics: Sequence[Reading], *, is_last: bool) -> Row:
    own = [forest.layers[place] for place in group.members]
    is_cut = is_last and bool(forest.children[group.members[0]])
    whole = [forest.layers[place] for place in layers_below(group.members, forest)] if is_cut else own
    cells: list[Cell] = [metric.over(whole if metric.adds_up else own) for metric in metrics]
    label = f"{group.label} …" if is_cut else group.label
    return Row(cells=(label, own[0].type_name, *cells), depth=group.depth)
