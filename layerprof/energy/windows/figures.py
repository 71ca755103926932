"""What several windows of one load say together."""

from __future__ import annotations

from collections.abc import Sequence

from layerprof.energy.base import Window
from layerprof.estimates import Estimate, from_samples

# Every window counts the same, flagged ones too: which ones to drop would be chosen by their outcome.


def power_of(windows: Sequence[Window], *, origin: str) -> Estimate:
    """Mean power while the load ran, in watts.

    Args:
        windows: two at least.
        origin: what the error is from; all that these windows say shares its degrees of freedom.

    Raises:
        ValueError: below two windows.
    """
    return from_samples([window.power_w for window in windows], origin=origin, part="power")


def call_s_of(windows: Sequence[Window], *, origin: str) -> Estimate:
    """Seconds of one call, as `power_of`."""
    return from_samples([window.call_s for window in windows], origin=origin, part="call_s")


def call_j_of(windows: Sequence[Window], *, origin: str) -> Estimate:
    """Joules of one call, as `power_of`."""
    return from_samples([window.call_j for window in windows], origin=origin, part="call_j")


def quantisation_rel_of(windows: Sequence[Window]) -> float:
    """The most that the tick may have added to one of the windows or taken from it, as a fraction."""
    return max(window.quantisation_j / window.joules for window in windows)


def flags_of(windows: Sequence[Window]) -> tuple[str, ...]:
    """The flags that any of them has, sorted."""
    return tuple(sorted({flag for window in windows for flag in window.flags}))
