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

    Every table is a mapping from a column's name to an array, all of one length. Times are nanoseconds since 1970 by
    the profiler's clock. An index of -1 means none. The arrays are not to be written to.

    Attributes:
        strings: the names that columns refer to by position.
        shapes: the input shapes that ``ops`` refers to by position, each a tuple of shapes.
        steps: ``start_ns``, ``end_ns``, ``thread``.
        phases: parts of the steps in time, in order: ``phase`` (position in the profile's phases), ``step``,
            ``start_ns``, ``end_ns``.
        ranges: calls of layers: ``layer`` (position in the profile's layers), ``phase`` (position in its phases),
            ``step``, ``thread``, ``parent`` (position in ranges), ``start_ns``, ``end_ns``.
        ops: ``name`` (in strings), ``shapes``, ``step``, ``thread``, ``range`` (the innermost one around it, or the
            call whose backward work it is), ``parent`` (position in ops), ``phase``, ``annotation`` (1 for a range of
            the user's own, which is no op), ``start_ns``, ``end_ns``.
        kernels: device activities: ``name``, ``kind`` (0 kernel, 1 memcpy, 2 memset), ``step``, ``device``,
            ``stream``, ``op``, ``range``, ``phase``, ``start_ns``, ``end_ns``; and of the call of the runtime that
            launched each ``launch_ns``, ``launch_end_ns``, ``launch_thread``, ``launch_name`` (in strings) and
            ``correlation``, which all activities of one launch share; -1 where none was recorded.
        allocations: of memory, in order: ``time_ns``, ``thread``, ``device`` (-1 for the host's), ``address``,
            ``bytes`` (below 0 where they were given back), and what the allocator held afterwards,
            ``allocated_bytes`` and ``reserved_bytes`` (of the host since the profiler was started).
        counters: ``name`` (in strings), ``time_ns``, ``value``.

    Limits:
        Timelines that were stored by layerprof 0.1.0 before schema 2 of their files have no ``phases`` and no
        ``allocations``, and of ``ops`` and ``kernels`` not the columns ``annotation``, ``launch_end_ns``,
        ``launch_thread``, ``launch_name`` and ``correlation``.
    """

    strings: tuple[str, ...] = ()
    shapes: tuple[tuple[tuple[int, ...], ...], ...] = ()
    steps: Columns = field(default_factory=FrozenMapping)
    phases: Columns = field(default_factory=FrozenMapping)
    ranges: Columns = field(default_factory=FrozenMapping)
    ops: Columns = field(default_factory=FrozenMapping)
    kernels: Columns = field(default_factory=FrozenMapping)
    allocations: Columns = field(default_factory=FrozenMapping)
    counters: Columns = field(default_factory=FrozenMapping)
