"""Sweeps made by hand, for the tests of their export to TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from layerprof.boards.base import Content
from layerprof.boards.sweeps import Making
from layerprof.progress import Show
from layerprof.records import AxisValue, CellRecord, CellStatus, FrozenMapping, PlanRecord, Profile, SweepRecord
from layerprof.store import write_record

Settings = Mapping[str, AxisValue]


def as_float32(number: float) -> float:
    """What TensorBoard keeps of a number."""
    return float(np.float32(number))


def sweep_of(
    rows: Sequence[Settings],
    *,
    status: CellStatus = "done",
    has_metrics: bool = True,
    metrics: FrozenMapping[float | int | None] | None = None,
) -> SweepRecord:
    """Cells of these settings, whose latency is their place from 1 on, or which have other metrics."""
    cells = tuple(
        CellRecord(
            id=f"{place:016x}",
            axes=FrozenMapping(row),
            status=status,
            metrics=metrics or FrozenMapping({"latency_s": float(place)} if has_metrics else {}),
        )
        for place, row in enumerate(rows, start=1)
    )
    axes = {name: tuple(dict.fromkeys(row.get(name) for row in rows)) for row in rows for name in row}
    return SweepRecord(plan=PlanRecord(name="plan", model="net", axes=tuple(axes.items())), cells=cells)


def with_profile(record: SweepRecord, profile: Profile, folder: Path) -> SweepRecord:
    """The first cell has the profile, in a file."""
    first, *others = record.cells
    write_record(profile, folder / "profiles" / "first.json")
    cell = replace(first, profile_path="profiles/first.json", folder=str(folder))
    return replace(record, cells=(cell, *others))


def runs_in(logdir: Path) -> set[str]:
    """The folders that TensorBoard shows as runs."""
    return {path.parent.relative_to(logdir).as_posix() for path in logdir.rglob("*tfevents*")}


def bare_making(*, show: Show = lambda what, done, total: None, now_s: float = 1.0) -> Making:
    """An export to which profiles bring nothing."""
    return Making(content_of=lambda profile: Content(points=()), layer_charts=(), show=show, now_s=now_s)
