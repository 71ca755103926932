"""Numbers to text, with one scale for a whole column.

What a number means is in its field's name (``_s``, ``_bytes``, ``flops``); this file only chooses how many thousands
to divide by, once for each column, so that the rows of a table can be compared by eye.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Quantity = Literal[
    "s", "flops", "flops_per_s", "flops_per_byte", "macs", "bytes", "bytes_per_s", "j", "w", "hz", "count", "ratio"
]  # fmt: skip

MISSING = "–"  # what was not measured: never a 0, never an empty cell

_SI = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_SMALL = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
_BINARY = ((2.0**40, "Ti"), (2.0**30, "Gi"), (2.0**20, "Mi"), (2.0**10, "Ki"), (1.0, ""))

_LADDERS: dict[Quantity, tuple[tuple[float, str], ...]] = {
    "s": _SMALL,
    "flops": _SI,
    "flops_per_s": _SI,
    "flops_per_byte": ((1.0, ""),),  # intensities are compared across models: always in one unit
    "macs": _SI,
    "bytes": _BINARY,
    "bytes_per_s": _SI,  # vendors and benchmarks state bandwidths in powers of ten
    "j": (*_SI[:-1], *_SMALL),
    "w": (*_SI[:-1], *_SMALL),
    "hz": _SI,
    "count": _SI,
    "ratio": ((1.0, ""),),
}
_NAMES: dict[Quantity, str] = {
    "s": "s",
    "flops": "FLOP",
    "flops_per_s": "FLOP/s",
    "flops_per_byte": "FLOP/B",
    "macs": "MAC",
    "bytes": "B",
    "bytes_per_s": "B/s",
    "j": "J",
    "w": "W",
    "hz": "Hz",
    "count": "",
    "ratio": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """One unit for a column: a number divided by ``divisor`` is in ``label``.

    Attributes:
        divisor: in the quantity's base unit.
        label: the unit's symbol, such as ``ms``, ``GFLOP`` or ``MiB``; empty for plain counts.
    """

    divisor: float
    label: str

    def text(self, value: float | None, *, digits: int = 3) -> str:
        """The number in this unit, to ``digits`` significant digits; a dash where it is None."""
        if value is None:
            return MISSING
        if value == 0:
            return "0"
        return significant(value / self.divisor, digits=digits)


COLUMN_LEAST = 10.0  # the largest of a column reads 10 to 10,000, so that its small ones keep their digits


def scale_for(values: Iterable[float | None], quantity: Quantity, *, least: float = 1.0) -> Scale:
    """The scale in which the largest of ``values`` reads between ``least`` and a thousand times that.

    Args:
        values: the column; None and zeros do not count.
        quantity: what the column holds, which decides the ladder of units (bytes go by 1024, bytes a second by 1000).
        least: how the largest should read at least.
    """
    largest = max((abs(value) for value in values if value), default=0.0)
    ladder = _LADDERS[quantity]
    base = next((step for step in ladder if step[0] == 1.0), ladder[-1])
    divisor, prefix = next((step for step in ladder if largest >= least * step[0]), ladder[-1] if largest else base)
    return Scale(divisor=divisor, label=f"{prefix}{_NAMES[quantity]}")


def with_unit(value: float | None, quantity: Quantity, *, digits: int = 3) -> str:
    """A single number with its own unit, for running text: ``12.3 ms``, ``751 GFLOP``; a dash where it is None."""
    if value is None:
        return MISSING
    scale = scale_for([value], quantity)
    return f"{scale.text(value, digits=digits)} {scale.label}".rstrip()


def significant(value: float, *, digits: int = 3) -> str:
    """The number to ``digits`` significant digits without an exponent, for magnitudes that a table column holds."""
    if value == 0:
        return "0"
    rounded = abs(float(f"{value:.{digits - 1}e}"))  # 9.999 is 10.0 in three digits, not 10.00
    magnitude = len(str(int(rounded))) if rounded >= 1 else 0
    if magnitude:
        return f"{value:,.{max(0, digits - magnitude)}f}"
    return f"{value:#.{digits}g}" if abs(value) >= 1e-4 else f"{value:.{digits - 1}e}"


def percent(part: float | None, whole: float | None, *, digits: int = 1) -> str:
    """The share of ``part`` in ``whole`` in percent; a dash where either is missing or the whole is 0."""
    if part is None or not whole:
        return MISSING
    return f"{100 * part / whole:.{digits}f} %"
