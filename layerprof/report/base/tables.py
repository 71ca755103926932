"""Which tables a format shows, and in which order: few and narrow in a terminal, all of them in a document."""

from __future__ import annotations

from collections.abc import Collection

from layerprof.records import FlopReport, Profile
from layerprof.views import (
    Table,
    checks_table,
    energy_counter_table,
    energy_table,
    families_table,
    flop_layers_table,
    flop_ops_table,
    flop_parts_table,
    flop_totals_table,
    narrowed,
    notes_table,
    op_names_table,
    peak_owners_table,
    phase_contrast_table,
    phase_layers_table,
    phases_table,
    roofline_table,
    stages_table,
    summary_table,
    top_ops_table,
    top_table,
    tree_table,
    uncounted_table,
)

MOST_CELLS = 200  # rows of a sweep's table in a terminal or in Markdown: nobody reads more there, and rich is slow
MOST_HTML_CELLS = 2000  # likewise on a page, which a browser lays out as a whole; the CSV file has all

_BRIEF_PHASE_LAYERS, _BRIEF_OPS, _BRIEF_OWNERS = 15, 8, 5  # rows: a terminal's table is read without scrolling
_BRIEF_STAGES, _BRIEF_FAMILIES, _BRIEF_UNITS = 4, 8, 12
_BRIEF_WIDTHS = {"op": 24, "shapes": 20, "layer": 36, "called from": 36, "stage or layer": 36}  # for lines of 120
_BRIEF_ENERGY_WIDTHS, _ENERGY_SPARES = {"layer": 36}, ("EDP",)
_FULL_OPS = 30  # rows; the HTML report has all ops below it
_OP_SPARES = ("layers", "bytes", "intensity", "format")
# What a terminal's table does without where it has the roofline's columns; on a device, also without the host's times.
_TREE_SPARES, _HOST_SPARES = ("of step", "params"), ("total time", "self time")
_STAGE_SPARES, _TOP_SPARES = ("params", "peak memory"), ("FLOPs share", "params")
_PHASE_SPARES = ("calls", "unattributed")
# What it also does without where it has joules, and where it has both joules and the roofline's columns.
_STAGE_ENERGY_SPARES, _HOST_OF_STAGES = ("FLOPs share",), ("self time", "share")
_PHASE_ENERGY_SPARES, _PHASE_BOTH_SPARES = ("calls", "unattributed", "FLOPs/run"), ("of step", "J/GFLOP")
_CONTRAST_SPARES = ("decode time", "decode device", "prefill FLOPs", "FLOPs/token", "forward FLOPs", "backward FLOPs")


def brief_tables(profile: Profile, *, max_depth: int | None = None) -> tuple[Table, ...]:
    """What a terminal shows: the tree comes last, so that its closing rows are what is seen first."""
    failed = [check for check in profile.checks if not check.ok]
    roofline = roofline_table(profile, most_stages=_BRIEF_STAGES, most_families=_BRIEF_FAMILIES)
    return _filled(
        summary_table(profile),
        checks_table(failed),
        uncounted_table(profile.uncounted),
        narrowed(peak_owners_table(profile, count=_BRIEF_OWNERS), widths=_BRIEF_WIDTHS),
        _brief_ops(profile),
        _brief_top(profile),
        narrowed(roofline, widths=_BRIEF_WIDTHS),
        narrowed(energy_table(profile, most_units=_BRIEF_UNITS), widths=_BRIEF_ENERGY_WIDTHS, without=_ENERGY_SPARES),
        _brief_stages(profile),
        _brief_phases(profile),
        _brief_phase_layers(profile, max_depth=max_depth),
        _brief_tree(profile, max_depth=max_depth),
    )


def _brief_top(profile: Profile) -> Table:
    table = top_table(profile)
    if not _has_roof(table):
        return table
    shares = ("share",) if _has_energy(table) and _host_spares(table) else ()
    return narrowed(table, widths=_BRIEF_WIDTHS, without=(*_TOP_SPARES, *_host_spares(table), *shares))


def _brief_stages(profile: Profile) -> Table:
    table = stages_table(profile)
    if not _has_energy(table):
        return _with_room(table, _STAGE_SPARES)
    of_host = _HOST_OF_STAGES if _host_spares(table) else ()
    return _with_room(table, (*_STAGE_SPARES, *_STAGE_ENERGY_SPARES, *of_host))


def _brief_phases(profile: Profile) -> Table:
    table = phases_table(profile)
    if not _has_energy(table):
        return _with_room(table, _PHASE_SPARES)
    both = _PHASE_BOTH_SPARES if _has_roof(table) else ()
    return narrowed(table, widths={}, without=(*_PHASE_ENERGY_SPARES, *both))


def _brief_tree(profile: Profile, *, max_depth: int | None) -> Table:
    table = tree_table(profile, max_depth=max_depth)
    return _with_room(table, (*_TREE_SPARES, *_host_spares(table)))


def _host_spares(table: Table) -> Collection[str]:
    return _HOST_SPARES if any(column.name == "device self" for column in table.columns) else ()


def _with_room(table: Table, spares: Collection[str]) -> Table:
    """The table without ``spares`` where it has columns of the roofline, which take their room."""
    return narrowed(table, widths={}, without=spares) if _has_roof(table) else table


def _has_energy(table: Table) -> bool:
    return any(column.quantity == "j" for column in table.columns)


def _has_roof(table: Table) -> bool:
    return any(column.quantity == "flops_per_byte" for column in table.columns)


def _brief_phase_layers(profile: Profile, *, max_depth: int | None) -> Table:
    """The two phases to compare, else all of them: the tree says the same of phases that share no layer."""
    contrast = phase_contrast_table(profile, max_depth=max_depth, most_rows=_BRIEF_PHASE_LAYERS)
    if contrast.rows:
        return _with_room(contrast, _CONTRAST_SPARES)
    return phase_layers_table(profile, max_depth=max_depth, most_rows=_BRIEF_PHASE_LAYERS)


def _brief_ops(profile: Profile) -> Table:
    """The top ops by the one time that ranks them; a family's name tells that it is of several layers."""
    table = top_ops_table(profile, count=_BRIEF_OPS)
    has_device = any(column.name == "device time" for column in table.columns)
    return narrowed(table, widths=_BRIEF_WIDTHS, without=(*_OP_SPARES, *(("self time",) if has_device else ())))


def full_tables(profile: Profile, *, max_depth: int | None = None) -> tuple[Table, ...]:
    """What a document shows: everything, from the whole to the parts."""
    return _filled(
        *opening_tables(profile, max_depth=max_depth),
        tree_table(profile, max_depth=max_depth),
        families_table(profile),
        *evidence_tables(profile),
    )


def opening_tables(profile: Profile, *, max_depth: int | None = None) -> tuple[Table, ...]:
    """What stands before the tree in a document."""
    return _filled(
        summary_table(profile),
        phases_table(profile),
        stages_table(profile),
        roofline_table(profile),
        energy_table(profile),
        top_table(profile),
        phase_contrast_table(profile, max_depth=max_depth),
        phase_layers_table(profile, max_depth=max_depth),
        top_ops_table(profile, count=_FULL_OPS),
        op_names_table(profile, count=_FULL_OPS),
        peak_owners_table(profile),
    )


def evidence_tables(profile: Profile) -> tuple[Table, ...]:
    """What the numbers rest on: the checks, the counter of joules, the uncounted ops and the notes."""
    return _filled(
        checks_table(profile.checks),
        energy_counter_table(profile),
        uncounted_table(profile.uncounted),
        notes_table(profile.notes),
    )


def flop_tables(report: FlopReport) -> tuple[Table, ...]:
    """A FLOP count from the whole to the parts."""
    parts, layers, ops = flop_parts_table(report), flop_layers_table(report), flop_ops_table(report)
    return _filled(flop_totals_table(report), parts, layers, ops, uncounted_table(report.uncounted))


def _filled(*tables: Table) -> tuple[Table, ...]:
    return tuple(table for table in tables if table.rows)
