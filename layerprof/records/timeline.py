"""The timeline: columns of what happened when, from which traces and flame views are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from layerprof.records.base import FrozenMapping

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Columns: TypeAlias = "FrozenMapping[NDArray[np.int64] | NDArray[np.float64]]"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timeline:
    """Columns of one to three steps under the ops pass, from which traces are made; kept beside a stored profile.

    Every table is a mapping from a column's name to an array, all of one length. Times are nanoseconds of the
    profiler's clock. An index of -1 means none. The arrays are not to be written to.

    Attributes:
        strings: the names that columns refer to by position.
        shapes: the input shapes that ``ops`` refers to by position, each a tuple of shapes.
        steps: ``start_ns``, ``end_ns``, ``thread``.
        ranges: calls of layers: ``layer`` (position in the profile's layers), ``phase`` (position in its phases),
            ``step``, ``thread``, ``parent`` (position in ranges), ``start_ns``, ``end_ns``.
        ops: ``name`` (in strings), ``shapes``, ``step``, ``thread``, ``range`` (the innermost one around it, or the
            call whose backward work it is), ``parent`` (position in ops), ``phase``, ``start_ns``, ``end_ns``.
        kernels: device activities: ``name``, ``kind`` (0 kernel, 1 memcpy, 2 memset), ``step``, ``device``,
            ``stream``, ``op``, ``range``, ``phase``, ``launch_ns``, ``start_ns``, ``end_ns``.
        counters: ``name`` (in strings), ``time_ns``, ``value``.
    """

    strings: tuple[str, ...] = ()
    shapes: tuple[tuple[tuple[int, ...], ...], ...] = ()
    steps: Columns = field(default_factory=FrozenMapping)
    ranges: Columns = field(default_factory=FrozenMapping)
    ops: Columns = field(default_factory=FrozenMapping)
    kernels: Columns = field(default_factory=FrozenMapping)
    counters: Columns = field(default_factory=FrozenMapping)
