"""A GPU at one moment, as it was seen beside a run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardReading:
    """A GPU at one moment, as NVML tells it; None is what it does not tell.

    Attributes:
        clock_ratio: the clock over its maximum.
        reasons: bits for what holds the clock down.
        pids: processes that compute on it.
    """

    clock_ratio: float | None = None
    reasons: int | None = None
    pids: frozenset[int] | None = None
