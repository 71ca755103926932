"""How often a board's sensors move, by what was published of its generation; nothing where nothing was."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Source: nvml.h, nvmlDeviceArchitecture_t.
_VOLTA, _TURING, _AMPERE, _ADA, _HOPPER = 5, 6, 7, 8, 9
_LARGE_AMPERE = re.compile(r"\b(A100|A800|A30|CMP 170HX|PG509)\b", re.IGNORECASE)  # GA100; the others are GA10x
_LAPTOP = re.compile(r"\b(Laptop|Mobile|Max-Q)\b", re.IGNORECASE)
_GRACE = re.compile(r"\bGH200\b", re.IGNORECASE)
_NEW_HOPPER = re.compile(r"\bH(200|20)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """Of one board; None where nothing is published.

    Attributes:
        counter_s: from one move of the energy counter to the next.
        power_s: from one value of the power sensor to the next.
        averaged_s: over how long a value of power is averaged.
    """

    counter_s: float | None = None
    power_s: float | None = None
    averaged_s: float | None = None


def periods_of(architecture: int | None, name: str) -> Periods:
    """What is published of a board.

    Args:
        architecture: NVML's number of its generation, or None.
        name: its product name.

    Source:
        Power: Z. Yang, K. Adamek, W. Armour, "Accurate and Convenient Energy Measurements for GPUs", SC'24
        (arXiv:2312.02741). Counters: the ML.ENERGY blog (A100), reports of users (RTX 4090, V100). Those of Turing and
        of the H100 are taken to be as the A100's. Laptops publish power every 500 ms. Of the H200 nothing is published.
    """
    if _GRACE.search(name):
        return Periods(power_s=0.1, averaged_s=0.02)
    if architecture == _VOLTA:
        return Periods(counter_s=0.02, power_s=0.02, averaged_s=0.01)
    if architecture in (_AMPERE, _ADA, _TURING) and _LAPTOP.search(name):
        return Periods(counter_s=0.1, power_s=0.5)
    if architecture == _AMPERE and _LARGE_AMPERE.search(name):
        return Periods(counter_s=0.1, power_s=0.1, averaged_s=0.025)
    if architecture in (_TURING, _AMPERE, _ADA):
        return Periods(counter_s=0.1, power_s=0.1, averaged_s=0.1)
    if architecture == _HOPPER and not _NEW_HOPPER.search(name):
        return Periods(counter_s=0.1, power_s=0.1, averaged_s=0.025)
    return Periods()
