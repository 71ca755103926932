"""Parts of a sweep of several tests, as far as a figure of it needs them: to draw the others would only take time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from layerprof.records import CellRecord, SweepRecord

_DATASETS = ("TextVQA", "ScienceQA")  # the least with a panel each
_OPTIMIZATIONS = ("sdpa", "sdpa_flash", "sdpa_math", "compile")  # a baseline, no result, one process, compiled code


def of_tests(record: SweepRecord, *names: str) -> SweepRecord:
    """The sweep with those tests alone."""
    tests = tuple(test for test in record.plan.tests if test.name in names)
    return replace(record, plan=replace(record.plan, tests=tests))


def with_cells(record: SweepRecord, change: Callable[[CellRecord], CellRecord]) -> SweepRecord:
    return replace(record, cells=tuple(change(cell) for cell in record.cells))


def with_few_cells(record: SweepRecord) -> SweepRecord:
    """All tests with a few cells each, and among these one of each kind: every figure is drawn, with less in it."""
    kept = tuple(cell for cell in record.cells if _is_kept(cell))
    ids = {cell.id for cell in kept}
    tests = tuple(replace(test, cells=tuple(id_ for id_ in test.cells if id_ in ids)) for test in record.plan.tests)
    return replace(record, plan=replace(record.plan, tests=tests), cells=kept)


def _is_kept(cell: CellRecord) -> bool:
    axes = cell.axes
    is_kept = axes["dataset"] in _DATASETS and axes["optimization"] in _OPTIMIZATIONS
    return is_kept and axes["batch_size"] != 4 and (axes["resized_to"], axes["image_size"]) != (448, 224)
