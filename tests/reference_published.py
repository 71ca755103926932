"""What tests of published figures share: the figures as they are in their file, and finding a comparison."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from typing import Any

from layerprof.analysis import analysed
from layerprof.records import AnalysisRecord, CellRecord, Comparison, FrozenMapping, SweepRecord

PUBLISHED_SAMPLES = 300


def content() -> dict[str, Any]:
    text = (resources.files("layerprof.analysis.published") / "blip2-opt-2.7b.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def published(**axes: object) -> dict[str, Any]:
    (row,) = [row for row in content()["cells"] if all(row[name] == value for name, value in axes.items())]
    found: dict[str, Any] = row
    return found


def compared(record: SweepRecord) -> AnalysisRecord:
    analysis = analysed(record, against="reference").analysis
    assert analysis is not None
    return analysis


def one(analysis: AnalysisRecord, test: str, row: str, quantity: str) -> Comparison:
    (found,) = [each for each in analysis.comparisons if (each.test, each.row, each.quantity) == (test, row, quantity)]
    return found


def on_a_gpu(record: SweepRecord, **axes: str | int) -> SweepRecord:
    """The sweep as if its CPU were a GPU; with other settings, such as trained weights."""

    def moved(cell: CellRecord) -> CellRecord:
        settings = {**cell.axes, "device": "cuda", "dtype": "fp16", **axes}
        return replace(cell, axes=FrozenMapping(settings)) if cell.axes["device"] == "cpu" else cell

    return replace(record, cells=tuple(moved(cell) for cell in record.cells))


def text_of(analysis: AnalysisRecord, *words: str) -> str:
    (found,) = [each.text for each in analysis.oddities if all(word in each.text for word in words)]
    return found
