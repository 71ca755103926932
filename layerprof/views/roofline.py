"""The roofline as a table: how near to the device's ceilings the stages and the families of layers come, and why not.

A family is in it where the work is done: a layer that calls none, or that has FLOPs of its own beside those of the
layers it calls (attention, with its projections). A row has what the tree has for it: the layers called from it
included. So the rows of families overlap where one is inside another; those of stages do not.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TypeVar

from layerprof.records import LayerProfile, Profile, Quantities, family_of
from layerprof.views.base import (
    ROOT_LABEL,
    Cell,
    Column,
    Metric,
    Reading,
    Row,
    Table,
    above_footnotes,
    ceilings_words,
    layer_metrics,
    likeness_of,
    measured,
    missing_footnotes,
    roof_readings,
)

_TIMES = ("device_total_s", "total_s")  # the first that was measured is the time of a row
_ROOF = ("flops_per_s", "bytes_per_s", "intensity", "efficiency", "bound")
_MEANING = (
    "efficiency: of each op the longer of FLOPs and bytes at the ceilings, added up, over the time taken.",
    "bound: what most of that least time is, compute or memory; or launch, where launches take longer than it.",
)

_Members = TypeVar("_Members", bound=Sequence[Quantities])


def roofline_table(profile: Profile, *, most_stages: int = 100, most_families: int = 30) -> Table:
    """The stages, then the families of layers, of the longest time; it is empty without FLOPs, bytes and times.

    Args:
        profile: whose layers are shown.
        most_stages: rows of stages at most; the longest in time are kept, in the profile's order.
        most_families: rows of families at most, the longest in time first.
    """
    time, wanted = _readings(profile)
    readings = measured(wanted, profile.layers)
    families = _longest(_families(profile.layers), time, most_families)
    stages = _longest([[stage] for stage in profile.stages if stage.bytes_moved], time, most_stages)
    stages.sort(key=lambda members: profile.stages.index(members[0]))
    rows = (
        *(Row(cells=(f"stage {stage.name}", len(stage.paths), *_cells([stage], readings))) for [stage] in stages),
        *(Row(cells=(_label(members), len(members), *_cells(members, readings))) for members in families),
    )
    has_rates = any(reading.attribute == "flops_per_s" for reading in readings)
    return Table(
        title="Roofline",
        columns=(
            Column(name="stage or layer", align="left"),
            Column(name="layers", quantity="integer"),
            *(reading.column for reading in readings),
        ),
        rows=rows if has_rates else (),
        footnotes=(
            *(f"{name}: {words}." for name, words, _ in ceilings_words(profile)),
            *(_MEANING if any(reading.attribute == "efficiency" for reading in readings) else ()),
            *above_footnotes(profile, [cell for row in rows for cell in row.cells]),
            *missing_footnotes(profile, wanted, readings),
        ),
    )


def _readings(profile: Profile) -> tuple[Metric, list[Reading]]:
    """The time of a row, and all columns: that time, its share of the step, and the place under the roof."""
    available, roof = layer_metrics(profile), roof_readings(profile)
    times = measured([available[name] for name in _TIMES], profile.layers)
    time = times[0] if times else available["total_s"]
    share = available["total_share"] if time.attribute == "total_s" else available["device_total_share"]
    return time, [time, share, *(roof[name] for name in _ROOF)]


def _longest(rows: Sequence[_Members], time: Metric, most: int) -> list[_Members]:
    return sorted(rows, key=lambda members: -(time.over(members) or 0.0))[:most]


def _cells(members: Sequence[Quantities], readings: Sequence[Reading]) -> Iterator[Cell]:
    return (reading.over(members) for reading in readings)


def _families(layers: Sequence[LayerProfile]) -> list[list[LayerProfile]]:
    """The layers where the work is done, by likeness."""
    families: dict[Hashable, list[LayerProfile]] = {}
    callers = {caller for layer in layers if layer.bytes_moved for caller in _above(layer.path)}
    for layer in layers:
        if layer.bytes_moved and (layer.path not in callers or layer.self_flops):
            families.setdefault(likeness_of(layer), []).append(layer)
    return list(families.values())


def _above(path: str) -> Iterator[str]:
    """The paths of the modules that it is in, the root's last."""
    while path:
        path = path.rpartition(".")[0]
        yield path


def _label(members: Sequence[LayerProfile]) -> str:
    path = members[0].path
    return (family_of(path) if len(members) > 1 else path) or ROOT_LABEL
