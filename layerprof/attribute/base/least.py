"""The least time of a row, read off the values that the flops pass has of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerprof.attribute.base.events import IntArray

COMPUTE, MEMORY = "compute_ps", "memory_ps"  # least times of ops, by what takes longer
ABOVE = "above_ps"  # the part of both that is of layers which took less than that
UNRATED = "unrated"  # how many ops lack a ceiling

_PS_PER_S = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class LeastTime:
    """The least time of a row.

    Attributes:
        compute_s: of its ops whose FLOPs take longer than their bytes.
        memory_s: of the others.
        above_s: the part of both that is of layers which took less than that themselves.
    """

    compute_s: float
    memory_s: float
    above_s: float = 0.0

    @property
    def total_s(self) -> float:
        """Of all its ops."""
        return self.compute_s + self.memory_s


def least_time(
    values: Mapping[str, IntArray], picked: Callable[[IntArray], IntArray], *, prefix: str = ""
) -> LeastTime | None:
    """The least time of a row; None where an op of it lacks a ceiling, or nothing is known.

    Args:
        values: by name, of nodes, of layers or of phases, summed.
        picked: the row's part of a value.
        prefix: of the values' names.
    """
    if prefix + COMPUTE not in values or picked(values[prefix + UNRATED]).any():
        return None
    compute_s, memory_s, above_s = (
        int(picked(values[prefix + name]).sum()) / _PS_PER_S for name in (COMPUTE, MEMORY, ABOVE)
    )
    return LeastTime(compute_s=compute_s, memory_s=memory_s, above_s=above_s)
