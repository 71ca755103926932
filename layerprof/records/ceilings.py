"""What a device can do at most: the ceilings of a roofline, as measured on it or as its vendor states."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from layerprof.records.base import CeilingsKind, FrozenMapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """The ceilings of one device.

    Attributes:
        kind: ``measured`` on this machine, or the ``vendor``'s dense peaks.
        device: the device's own name.
        source: how they were measured, or the page that states them.
        matrix_flops_per_s: format (as in ``flops_by_dtype``) to the rate of matrix products in it.
        copy_bytes_per_s: bytes read and written each second by a copy that no cache holds; of a vendor, the memory's
            bandwidth. None where not known.
        launch_s: the time from one launch of the smallest op to the next; None where not known.
        conditions: what they were measured under, such as the number of threads.

    Raises:
        ValueError: when a ceiling is not a positive, finite number, or a name is no text.
    """

    kind: CeilingsKind
    device: str
    source: str
    matrix_flops_per_s: FrozenMapping[float] = field(default_factory=FrozenMapping)
    copy_bytes_per_s: float | None = None
    launch_s: float | None = None
    conditions: FrozenMapping[str] = field(default_factory=FrozenMapping)

    def __post_init__(self) -> None:
        if not isinstance(self.device, str) or not isinstance(self.source, str):
            raise ValueError("ceilings name their device and their source in words")
        numbers = (*self.matrix_flops_per_s.values(), self.copy_bytes_per_s, self.launch_s)
        for number in numbers:
            if number is not None and not (isinstance(number, int | float) and 0.0 < number < math.inf):
                raise ValueError(f"a ceiling is a positive number, or None; found {number!r}")
