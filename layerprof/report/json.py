"""A sweep's tidy rows as JSON, with its plan and what its numbers say; numbers are in SI base units, never NaN.

This is for other programs: what `layerprof.load` reads back is the record itself, which `layerprof.save` writes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass

from layerprof.errors import InputError
from layerprof.records import AnalysisRecord, FlopReport, Profile, SweepRecord
from layerprof.report.base import TidyRow, tidy_rows

_NOT_A_SWEEP = (
    "the format json is for sweeps; a {kind} is JSON where it is stored: layerprof.save(record, 'name.json'), or csv"
)

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonRenderer:
    """Renders a sweep to one JSON object: ``plan``, ``cells`` with one object each, and ``analysis`` or null."""

    def profile(self, record: Profile) -> str:
        """Nothing: a profile is stored as JSON.

        Raises:
            InputError: always.
        """
        raise InputError(_NOT_A_SWEEP.format(kind="profile"))

    def sweep(self, record: SweepRecord) -> str:
        """The object, indented, in ASCII, with a line feed at its end."""
        content: dict[str, Json] = {
            "plan": _plain(record.plan),
            "environments": _plain(record.environments),
            "cells": [_cell(row) for row in tidy_rows(record)],
            "analysis": None if record.analysis is None else _analysis(record.analysis),
            "notes": [str(note) for note in record.notes],
        }
        return json.dumps(content, indent=1, allow_nan=False) + "\n"

    def flop_report(self, record: FlopReport) -> str:
        """Nothing: a FLOP report is stored as JSON.

        Raises:
            InputError: always.
        """
        raise InputError(_NOT_A_SWEEP.format(kind="FLOP report"))


def _cell(row: TidyRow) -> dict[str, Json]:
    cell = row.cell
    return {
        "id": cell.id,
        "tests": list(row.tests),
        "status": cell.status,
        "failure": _plain(cell.failure),
        "environment": cell.environment,
        "runs_done": cell.runs_done,
        "runs_planned": cell.runs_planned,
        "axes": _plain(row.axes),
        "metrics": _plain(row.metrics),
        "notes": list(row.notes),
    }


def _analysis(analysis: AnalysisRecord) -> dict[str, Json]:
    plain = {each.name: _plain(getattr(analysis, each.name)) for each in fields(analysis)}
    comparisons = [
        {each.name: _plain(getattr(comparison, each.name)) for each in fields(comparison)}
        | {"ratio": _plain(comparison.ratio)}
        for comparison in analysis.comparisons
    ]
    return {**plain, "comparisons": list(comparisons)}


def _plain(value: object) -> Json:
    """Records and mappings as objects, tuples as arrays, and what is not a finite number as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    raise TypeError(f"no JSON for a {type(value).__name__}")
