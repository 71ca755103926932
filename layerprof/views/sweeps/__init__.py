"""The tables of a sweep: those of its plan's tests as published and in full, or one of all cells.

published, a table or two a test ─▶ findings ─▶ in full, a table or more a test ─▶ what was in force ─▶ beside the
published figures and what is odd about them ─▶ what the figures are
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from layerprof.records import SweepRecord
from layerprof.views.base import Table
from layerprof.views.sweeps.base import (
    SAID_ONCE,
    CellsOfTest,
    Results,
    fixed_footnotes,
    quantity_of,
    results_of,
    weaknesses_of,
)
from layerprof.views.sweeps.batch import full_batch, published_batch
from layerprof.views.sweeps.definitions import definitions_table
from layerprof.views.sweeps.device import full_device, published_device
from layerprof.views.sweeps.findings import comparison_table, figure_words, findings_table, oddities_table
from layerprof.views.sweeps.image_size import full_image_size, published_image_size
from layerprof.views.sweeps.optimization import full_optimization, published_optimization
from layerprof.views.sweeps.plain import generic_table, sweep_table
from layerprof.views.sweeps.seq_len import full_seq_len, published_seq_len
from layerprof.views.sweeps.truth import truth_table

_Tables = Callable[[Results, CellsOfTest], Table | tuple[Table, ...]]

_PUBLISHED: dict[str, _Tables] = {
    "device": published_device,
    "batch": published_batch,
    "image_size": published_image_size,
    "seq_len": published_seq_len,
    "optimization": published_optimization,
}
_FULL: dict[str, _Tables] = {
    "device": full_device,
    "batch": full_batch,
    "image_size": full_image_size,
    "seq_len": full_seq_len,
    "optimization": full_optimization,
}


def sweep_tables(record: SweepRecord, *, most_rows: int | None = None, is_brief: bool = False) -> tuple[Table, ...]:
    """All tables of a sweep in the order in which they are read; those that would be empty are left out.

    A plan without tests has the one table of its cells. Findings, and figures beside published ones, are of the
    record's analysis; there are none where it has no analysis.

    Args:
        record: the sweep, finished or not.
        most_rows: of cells, in each table, the first ones; a footnote says how many more there are. None is all.
        is_brief: whether the first findings of each test are enough, and the figures that have a ratio to a published
            one; a footnote says how many more there are.
    """
    findings, beside = _findings(record, is_brief=is_brief), _beside(record, is_brief=is_brief)
    if not record.plan.tests:
        return sweep_table(record, most_rows=most_rows), *_filled((*findings, *beside))
    results = results_of(record, most_rows=most_rows)
    tables = (
        *_of_tests(results, _PUBLISHED),
        *findings,
        *_of_tests(results, _FULL, other=_generic),
        truth_table(results),
        *beside,
        definitions_table(results),
    )
    return tuple(_said_once(_filled(tables)))


def _filled(tables: Iterable[Table]) -> Iterator[Table]:
    return (table for table in tables if table.rows)


def _said_once(tables: Iterable[Table]) -> Iterator[Table]:
    """The tables, a sentence that holds for all of them below the first that has it alone."""
    said: set[str] = set()
    for table in tables:
        footnotes = tuple(line for line in table.footnotes if line not in said)
        said.update(SAID_ONCE.intersection(footnotes))
        yield replace(table, footnotes=footnotes)


def _of_tests(results: Results, makers: dict[str, _Tables], *, other: _Tables | None = None) -> Iterator[Table]:
    for of in results.tests:
        make = makers.get(of.test.name, other)
        if make is None:
            continue
        made = make(results, of)
        for table in (made,) if isinstance(made, Table) else made:
            yield replace(table, test=of.test.name)


def _generic(results: Results, of: CellsOfTest) -> Table:
    """The axes and all metrics of a test that has no table of its own."""
    plan = replace(results.record.plan, axes=of.test.axes, fixed=of.test.fixed, tests=())
    table = generic_table(replace(results.record, plan=plan, cells=of.cells, notes=()), None)
    more = (f"… {of.hidden:,} more in {plan.name}.csv.",) if of.hidden else ()
    return replace(table, title=of.test.name, footnotes=(*more, *fixed_footnotes(of)))


def _findings(record: SweepRecord, *, is_brief: bool) -> tuple[Table, ...]:
    return () if record.analysis is None else (findings_table(record.analysis, is_brief=is_brief),)


def _beside(record: SweepRecord, *, is_brief: bool) -> tuple[Table, ...]:
    analysis = record.analysis
    return () if analysis is None else (comparison_table(analysis, is_brief=is_brief), oddities_table(analysis))


__all__ = ["figure_words", "quantity_of", "sweep_table", "sweep_tables", "weaknesses_of"]
