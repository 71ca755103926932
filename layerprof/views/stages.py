"""The stages: groups of layers that add up to the step."""

from __future__ import annotations

from layerprof.records import Profile
from layerprof.views.base import (
    Column,
    Reading,
    Row,
    Table,
    above_footnotes,
    closing_rows,
    energy_footnotes,
    energy_readings,
    layer_metrics,
    measured,
    missing_footnotes,
    roof_readings,
    time_footnotes,
)

_STAGE_METRICS = (
    "self_s",
    "share",
    "device_self_s",
    "device_share",
    "self_flops",
    "flops_share",
    "intensity",
    "efficiency",
    "bound",
    "param_count",
    "peak_bytes",
    "energy_error",
    "power",
    "j_per_gflop",
)


def stages_table(profile: Profile) -> Table:
    """One row a stage, closed by the unattributed row and the step; a stage is the sum of its layers' own work."""
    available: dict[str, Reading] = {
        **layer_metrics(profile),
        **roof_readings(profile),
        **energy_readings(profile),
    }
    wanted = [available[name] for name in _STAGE_METRICS]
    metrics = measured(wanted, profile.stages)
    rows = tuple(
        Row(cells=(stage.name, len(stage.paths), *(metric.over([stage]) for metric in metrics)))
        for stage in profile.stages
    )
    closing = closing_rows(metrics, labels=2) if rows else ()
    footnotes = (*_shared_footnotes(profile), *missing_footnotes(profile, wanted, metrics))
    marked = above_footnotes(profile, [cell for row in rows for cell in row.cells])
    return Table(
        title="Stages",
        columns=(
            Column(name="stage", align="left"),
            Column(name="layers", quantity="integer"),
            *(metric.column for metric in metrics),
        ),
        rows=(*rows, *closing),
        footnotes=(*time_footnotes(profile), *footnotes, *energy_footnotes(profile), *marked),
    )


def _shared_footnotes(profile: Profile) -> tuple[str, ...]:
    """Says why a stage that holds parameters counts none, where there is such a stage."""
    holding = {layer.stage for layer in profile.layers if layer.param_count}
    if all(stage.param_count != 0 or stage.name not in holding for stage in profile.stages):
        return ()
    return ("params: a parameter that layers share counts for the first of them, so that stages add up to the model.",)
