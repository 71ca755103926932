"""A sweep's record: the plan, and one record for each cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from layerprof.records.base import SCHEMA, FrozenMapping, Note

if TYPE_CHECKING:
    from layerprof.records.profile import Profile

AxisValue = str | int | float | bool | None
CellStatus = Literal["pending", "done", "failed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFailure:
    """Why a cell has no result.

    Attributes:
        kind: a stable word: exception, crash, invalid, unavailable, excluded.
        text: one line for people.
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRecord:
    """One point of a sweep and its outcome.

    Attributes:
        id: stable: the hash of the fully resolved cell.
        axes: every setting of the cell, fixed ones included.
        status: pending, done, failed or skipped.
        metrics: numbers in SI base units by name; None where not measured.
        notes: why metrics are missing or weak.
        failure: set where the status is failed or skipped.
        profile_path: where the cell's layer profile is kept, relative to the sweep's folder.
        folder: the sweep's folder; not compared.
    """

    id: str
    axes: FrozenMapping[AxisValue]
    status: CellStatus
    metrics: FrozenMapping[float | int | None] = field(default_factory=FrozenMapping)
    notes: tuple[Note, ...] = ()
    failure: CellFailure | None = None
    profile_path: str | None = None
    folder: str = field(default="", compare=False, repr=False)

    @property
    def profile(self) -> Profile | None:
        """The cell's layer profile, read from its file each time; None where the cell has none."""
        if self.profile_path is None:
            return None
        from layerprof.store import load_profile

        return load_profile(Path(self.folder) / self.profile_path)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRecord:
    """What a sweep was asked to do.

    Attributes:
        name: of the plan, which chooses its tables.
        model: a preset's name, or ``package.module:callable``.
        axes: (name, values) pairs, the first varying slowest.
        fixed: settings that all cells share.
    """

    name: str
    model: str
    axes: tuple[tuple[str, tuple[AxisValue, ...]], ...]
    fixed: FrozenMapping[AxisValue] = field(default_factory=FrozenMapping)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """A sweep's plan and its cells, in the plan's order."""

    schema: int = SCHEMA
    plan: PlanRecord
    cells: tuple[CellRecord, ...]
