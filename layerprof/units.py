"""Numbers to text, with one scale for a whole column.

What a number means is in its field's name (``_s``, ``_bytes``, ``flops``); this file only chooses how many thousands
to divide by, once for each column, so that the rows of a table can be compared by eye.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Quantity = Literal[
    "s", "flops", "flops_per_s", "flops_per_byte", "macs", "bytes", "bytes_per_s", "j", "j_s", "w", "hz", "count",
    "ratio",
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
    "j_s": _SMALL,
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
    "j_s": "J·s",
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

    def supported(self, value: float, half_width: float | None, *, shows_error: bool = False) -> str:
        """The number in this unit with the digits that its error supports, and the error where that is wanted."""
        scaled = None if half_width is None else half_width / self.divisor
        write = plus_minus if shows_error else supported
        return write(value / self.divisor, scaled)


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


_MOST_DIGITS = 4  # of a measured number, however narrow its interval
_DIGITS_WITHOUT_ERROR = 2  # of a measured number that has no interval
_MOST_DECIMALS = 6  # before a small number is written with an exponent


def supported(value: float, half_width: float | None) -> str:
    """The number with the digits that half of its 95 % interval supports: to the first digit of that half.

    So 7.449 is 7.4 with a half-width of 0.12, and 1,234 is 1,230 with one of 62. Without an interval it has two digits,
    and never more than four.

    Args:
        value: in the unit that is printed.
        half_width: of its interval; None where it has none, 0 where it is exact.

    Source:
        JCGM 100:2008 (GUM), 7.2.6: an uncertainty has at most two digits, and its value is rounded to agree with it.
    """
    return _rounded(value, _last_place(value, half_width))


def plus_minus(value: float, half_width: float | None) -> str:
    """The number with its error, such as ``7.4 ± 0.1``; alone where it has none, or none in the digits written.

    Where the error's first digit would leave the number one digit or none, both have one more: ``7.4 ± 1.0``.
    """
    if half_width is None:
        return supported(value, None)
    place = _last_place(value, half_width)
    if value and half_width and place >= _exponent(value, digits=1):
        place -= 1
    text, error = _rounded(value, place), _rounded(half_width, place)
    return text if error == "0" else f"{text} ± {error}"


def _last_place(value: float, half_width: float | None) -> int:
    """The power of ten of the last digit that is written."""
    leading = _exponent(value, digits=_DIGITS_WITHOUT_ERROR)
    if half_width is None:
        return leading - _DIGITS_WITHOUT_ERROR + 1
    finest = leading - _MOST_DIGITS + 1
    if not half_width:
        return finest + 1
    place = _exponent(half_width, digits=1)
    return max(place, finest) if value else place


def _exponent(value: float, *, digits: int) -> int:
    """The power of ten of the first digit, once the number is rounded to so many."""
    return int(f"{abs(value):.{digits - 1}e}".partition("e")[2])


def _rounded(value: float, place: int) -> str:
    """The number to the digit of a power of ten, zeros behind it where that is above 1."""
    number = round(value, -place)
    if not number:
        return "0"
    if -place > _MOST_DECIMALS:
        return f"{number:.{max(0, _exponent(number, digits=4) - place)}e}"
    return f"{number:,.{max(0, -place)}f}"


def percent(part: float | None, whole: float | None, *, digits: int = 1) -> str:
    """The share of ``part`` in ``whole`` in percent; a dash where either is missing or the whole is 0."""
    if part is None or not whole:
        return MISSING
    return f"{100 * part / whole:.{digits}f} %"
