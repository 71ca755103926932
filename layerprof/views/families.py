"""The families of layers: layers that differ only by index are one row, such as ``encoder.layers.*.mlp.fc1``."""

from __future__ import annotations

from collections.abc import Sequence

from layerprof.records import LayerProfile, Profile, family_of
from layerprof.views.base import (
    Column,
    Reading,
    Row,
    Table,
    above_footnotes,
    closing_rows,
    energy_readings,
    layer_metrics,
    measured,
    missing_footnotes,
    roof_readings,
    time_footnotes,
)

_METRICS = (
    "calls",
    "total_s",
    "self_s",
    "share",
    "device_self_s",
    "device_share",
    "flops",
    "self_flops",
    "flops_per_s",
    "bytes_per_s",
    "intensity",
    "efficiency",
    "bound",
    "param_count",
    "peak_bytes",
    "energy",
)


def families_table(profile: Profile) -> Table:
    """One row a family in definition order: how many layers, their summed quantities, the largest peak.

    Layers of one family have one class; where classes differ under one pattern (the members of a `Sequential`), each
    class is a family.
    """
    available: dict[str, Reading] = {
        **layer_metrics(profile),
        **roof_readings(profile),
        **energy_readings(profile),
    }
    wanted = [available[name] for name in _METRICS]
    metrics = measured(wanted, profile.layers)
    rows = tuple(_row(members, metrics) for members in _families(profile.layers))
    closing = closing_rows(metrics, labels=3)
    footnotes = missing_footnotes(profile, wanted, metrics)
    marked = above_footnotes(profile, [cell for row in rows for cell in row.cells])
    return Table(
        title="Families",
        columns=(
            Column(name="family", align="left"),
            Column(name="type", align="left"),
            Column(name="layers", quantity="integer"),
            *(metric.column for metric in metrics),
        ),
        rows=(*rows, *closing),
        footnotes=(*time_footnotes(profile), *footnotes, *marked),
    )


def _families(layers: Sequence[LayerProfile]) -> list[list[LayerProfile]]:
    families: dict[tuple[str, str], list[LayerProfile]] = {}
    for layer in layers:
        families.setdefault((family_of(layer.path), layer.type_name), []).append(layer)
    return list(families.values())


def _row(members: Sequence[LayerProfile], metrics: Sequence[Reading]) -> Row:
    first = members[0]
    name = family_of(first.path) if len(members) > 1 else first.path
    return Row(
        cells=(name or "(model)", first.type_name, len(members), *(metric.over(members) for metric in metrics)),
    )
