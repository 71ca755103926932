"""Times of a trace: microseconds after its base, as float64, in which what nests in nanoseconds nests still.

A trace's ``ts`` and ``dur`` are floats, and its readers add the two. The base is put so long before the first event
that all moments lie between two neighbouring powers of two. There all floats have one spacing, so the difference of any
two of them is a float as well, and ``ts + dur`` is the very float that the end has, whatever it is the end of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from layerprof.traces.writing.base.base.tables import FloatArray, IntArray, Tables

_NS_PER_US = 1000
_LEAST_POWER = 10  # of two, in microseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Turns nanoseconds since 1970 into the microseconds of a trace.

    Attributes:
        base_ns: what the trace's times are counted from.
    """

    base_ns: int

    def at(self, time_ns: IntArray) -> FloatArray:
        """Moments in microseconds."""
        return np.asarray((time_ns - self.base_ns) / _NS_PER_US, dtype=np.float64)

    def spans(self, start_ns: IntArray, end_ns: IntArray) -> tuple[FloatArray, FloatArray]:
        """``ts`` and ``dur`` of spans; in float64 ``ts + dur`` is the same number for all that end together."""
        begins, ends = self.at(start_ns), self.at(end_ns)
        short = np.asarray((end_ns - start_ns) / _NS_PER_US, dtype=np.float64)  # to print, and right for most
        return begins, np.where(begins + short == ends, short, ends - begins)


def clock_of(tables: Tables) -> Clock:
    """A clock for all moments that the tables hold."""
    spans = (tables.steps, tables.phases, tables.ranges, tables.ops, tables.kernels)
    columns = [table[name] for table in spans for name in ("start_ns", "end_ns")]
    columns += [tables.allocations["time_ns"], tables.counters["time_ns"]]
    launched = tables.kernels["launch_ns"] >= 0
    columns += [tables.kernels[name][launched] for name in ("launch_ns", "launch_end_ns")]
    known = [column[column >= 0] for column in columns]
    first_ns = min((int(column.min()) for column in known if column.size), default=0)
    last_ns = max((int(column.max()) for column in known if column.size), default=0)
    power = max(_LEAST_POWER, ((last_ns - first_ns) // _NS_PER_US + 1).bit_length())
    return Clock(base_ns=first_ns - _NS_PER_US * 2**power)
