"""The layers to look at first: those whose own work is the largest part of the step."""

from __future__ import annotations

from layerprof.records import LayerProfile, Profile
from layerprof.views.base import (
    Column,
    Metric,
    Reading,
    Row,
    Table,
    above_footnotes,
    energy_readings,
    layer_metrics,
    measured,
    roof_readings,
)

_METRICS = ("calls", "self_s", "share", "device_self_s", "device_share", "self_flops", "flops_share", "param_count")
_ROOF = ("intensity", "efficiency", "bound")
_RANKED_BY = ("device_self_s", "self_s", "self_flops")  # the first that was measured ranks


def top_table(profile: Profile, *, count: int = 10) -> Table:
    """The ``count`` layers of the largest self time (on the device, where there is one), else of the most self FLOPs.

    It is empty where neither was measured.
    """
    available = layer_metrics(profile)
    wanted: list[Reading] = [*(available[name] for name in _METRICS), *(roof_readings(profile)[name] for name in _ROOF)]
    wanted.append(energy_readings(profile)["self_energy"])
    metrics = measured(wanted, profile.layers)
    ranking = measured([available[name] for name in _RANKED_BY], profile.layers)[:1]
    chosen = _largest(profile.layers, ranking[0])[:count] if ranking else []
    rows = tuple(_row(layer, metrics) for layer in chosen)
    return Table(
        title=f"Top layers by {ranking[0].column.name}" if ranking else "Top layers",
        columns=(
            Column(name="layer", align="left"),
            Column(name="type", align="left"),
            *(metric.column for metric in metrics),
        ),
        rows=rows,
        footnotes=above_footnotes(profile, [cell for row in rows for cell in row.cells]),
    )


def _largest(layers: tuple[LayerProfile, ...], metric: Metric) -> list[LayerProfile]:
    values = [(metric.over([layer]) or 0.0, layer) for layer in layers]
    ranked = sorted(values, key=lambda pair: -pair[0])  # stable: equals stay in definition order
    return [layer for value, layer in ranked if value > 0]


def _row(layer: LayerProfile, metrics: tuple[Reading, ...]) -> Row:
    return Row(cells=(layer.path or "(model)", layer.type_name, *(metric.over([layer]) for metric in metrics)))
