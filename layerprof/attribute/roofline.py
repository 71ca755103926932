"""Where a row stands under the roofline: what it achieved, what bounds it, and how near to the roof it came.

    least time of an op     the longer of FLOPs / matrix rate of their format and least traffic / copy bandwidth
    least time of a row     the sum over its ops, which run one after the other
    efficiency of a row     its least time over the time it took

What most of the least time is (ops whose FLOPs take longer, or whose bytes do) names the bound, unless launching the
ops takes longer by itself. For a single op where FLOPs bound, the efficiency is the achieved rate over the ceiling of
its format; where bytes do, over the bandwidth. Above 1 a ceiling does not hold for the row (its data stay in a cache)
or a number is wrong: it is flagged and not given.

Source: S. Williams, A. Waterman, D. Patterson, Roofline: an insightful visual performance model (2009).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from layerprof.attribute.base import LayerColumns, LeastTime, RawTrace, least_time
from layerprof.records import (
    Bound,
    Distribution,
    FrozenMapping,
    LayerProfile,
    PhaseProfile,
    Quantities,
    StageProfile,
    middle_steps,
    typical,
)

TOLERATED = 0.1  # of a row's least time that may be of layers above their own ceilings

Rows = tuple[tuple[LayerProfile, ...], tuple[StageProfile, ...], tuple[PhaseProfile, ...]]

_Row = TypeVar("_Row", bound=Quantities)


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """The ceilings that rows are held against.

    Attributes:
        matrix_flops_per_s: by format; measured where it was, else the vendor's.
        copy_bytes_per_s, launch_s: likewise, or None.
        is_on_host: whether the host's time is the time that the work took: on the CPU.
        steps: whose times count, the same as in the tables; none chosen means all.
        has_rates: whether the times are of the work that was counted; not where steps differ in their inputs.
    """

    matrix_flops_per_s: Mapping[str, float]
    copy_bytes_per_s: float | None
    launch_s: float | None
    is_on_host: bool
    steps: tuple[int, ...] = ()
    has_rates: bool = True

    def placed(self, row: _Row, least: LeastTime | None, *, is_fused: bool = False) -> _Row:
        """The row with its place under the roof.

        Args:
            row: as it was measured.
            least: the least time of its ops; None where a ceiling is not known.
            is_fused: whether compiled code is in it, which moves other bytes than its ops by themselves.
        """
        flops, bytes_moved, taken_s = row.flops, row.bytes_moved, self.taken_s(row)
        if flops is None or bytes_moved is None:
            return row
        if not bytes_moved:
            return replace(row, bound="unknown")
        known = None if is_fused else least
        share = None if known is None or taken_s is None else known.total_s / taken_s
        is_sound = share is None or known is None or (share <= 1.0 and known.above_s <= TOLERATED * known.total_s)
        return replace(
            row,
            flops_per_s=None if taken_s is None else flops / taken_s,
            bytes_per_s=None if taken_s is None or is_fused else bytes_moved / taken_s,
            intensity=flops / bytes_moved,
            least_s=None if known is None else known.total_s,
            bound=self._bound(row, known) if is_sound else "unknown",
            efficiency=share if is_sound else None,
        )

    def taken_s(self, row: Quantities) -> float | None:
        """The time that the row's work took: of the device where there is one."""
        measured = row.total_s if self.is_on_host else row.device_busy_s or row.device_total_s
        return None if measured is None or not self.has_rates else typical(measured, self.steps) or None

    def _bound(self, row: Quantities, least: LeastTime | None) -> Bound:
        if least is None:
            return "unknown"
        if (row.launches or 0) * (self.launch_s or 0.0) > least.total_s:
            return "launch"
        return "compute" if least.compute_s >= least.memory_s else "memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Rows with their places under the roof, and what they were placed by.

    Attributes:
        rows: layers, stages and phases.
        least: the least time of each row whose verdict may be open, by the scope that notes speak of it by.
        fused: scopes of the rows that compiled code is in.
    """

    rows: Rows
    least: Mapping[str, LeastTime]
    fused: tuple[str, ...]


def roof_of(raw: RawTrace, step_s: Distribution | None) -> Roof:
    """The roof of a trace and its whole steps; what was measured goes before what the vendor states."""
    known = [ceilings for ceilings in (raw.peaks, raw.ceilings) if ceilings is not None]
    return Roof(
        matrix_flops_per_s={dtype: rate for one in known for dtype, rate in one.matrix_flops_per_s.items()},
        copy_bytes_per_s=_last([one.copy_bytes_per_s for one in known]),
        launch_s=_last([one.launch_s for one in known]),
        is_on_host=raw.environment.device == "cpu",
        steps=middle_steps(step_s),
        has_rates=not raw.has_unlike_steps,
    )


def _last(values: Sequence[float | None]) -> float | None:
    return next((value for value in reversed(values) if value is not None), None)


def placed_rows(roof: Roof, raw: RawTrace, columns: LayerColumns, rows: Rows) -> Placed:
    """Every row with its place under the roof: layers and their phases, stages, and phases."""
    placing = _Placing(roof, raw, columns, rows[0])
    placed = (
        tuple(map(placing.layer, rows[0])),
        tuple(map(placing.stage, rows[1])),
        tuple(map(placing.phase, rows[2])),
    )
    return Placed(rows=placed, least=placing.least, fused=tuple(placing.fused))


class _Placing:
    """Places rows one by one, and keeps what they were placed by."""

    def __init__(self, roof: Roof, raw: RawTrace, columns: LayerColumns, layers: Sequence[LayerProfile]) -> None:
        self._roof = roof
        self._values = columns.values
        self._whole = raw.flops.by_phase if raw.flops else {}
        self._index = {layer.path: index for index, layer in enumerate(layers)}
        self._number = {phase.name: number for number, phase in enumerate(raw.phases)}
        self._around = _around_compiled(raw)
        self.least: dict[str, LeastTime] = {}
        self.fused: list[str] = []

    def layer(self, row: LayerProfile) -> LayerProfile:
        index, is_fused = self._index[row.path], row.path in self._around
        by_phase = {}
        for name, part in row.by_phase.items():
            least = self._least_in_phase(index, self._number[name])
            by_phase[name] = self._placed(part, least, f"{row.path} in {name}", is_fused=is_fused)
        least = least_time(self._values, lambda value: value[:, index])
        return replace(self._placed(row, least, row.path, is_fused=is_fused), by_phase=FrozenMapping(by_phase))

    def stage(self, row: StageProfile) -> StageProfile:
        members = [self._index[path] for path in row.paths]
        least = least_time(self._values, lambda value: value[:, members], prefix="self_")
        is_fused = not self._around.isdisjoint(row.paths)
        return self._placed(row, least, f"stage {row.name}", is_fused=is_fused)

    def phase(self, row: PhaseProfile) -> PhaseProfile:
        number = self._number[row.name]
        least = least_time(self._whole, lambda value: value[number : number + 1])
        return self._placed(row, least, f"phase {row.name}", is_fused=bool(self._around))

    def _least_in_phase(self, index: int, number: int) -> LeastTime | None:
        return least_time(self._values, lambda value: value[number, index])

    def _placed(self, row: _Row, least: LeastTime | None, scope: str, *, is_fused: bool) -> _Row:
        if is_fused:
            self.fused.append(scope)
        elif least is not None:
            self.least[scope] = least
        return self._roof.placed(row, least, is_fused=is_fused)


def _around_compiled(raw: RawTrace) -> frozenset[str]:
    """Paths of the layers that compiled code is in, which hooks see from outside only."""
    if not raw.spec.is_compiled or raw.time is None:
        return frozenset()
    inside = [raw.layers[index].path for index in raw.time.unseen.layers]
    steps = [path.split(".") for path in inside]
    return frozenset({"", *(".".join(names[:depth]) for names in steps for depth in range(1, len(names)))})
