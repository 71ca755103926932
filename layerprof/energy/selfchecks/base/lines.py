"""A straight line through points, with what its two numbers may be off by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from layerprof.estimates import ErrorPart, Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line.

    Attributes:
        intercept: its height at 0.
        slope: its rise for each unit.
    """

    intercept: Estimate
    slope: Estimate


def fitted(points: Sequence[tuple[float, float]]) -> Line:
    """The line with the least squares of the vertical distances to (across, up) points.

    Raises:
        ValueError: below three points, or where all are above one another.

    Source:
        Any text on regression: with residual variance v and n points, var(slope) = v / Sxx and
        var(intercept) = v (1/n + mean(x)**2 / Sxx), with n - 2 degrees of freedom.
    """
    n = len(points)
    middle = math.fsum(across for across, _ in points) / max(1, n)
    height = math.fsum(up for _, up in points) / max(1, n)
    width = math.fsum((across - middle) ** 2 for across, _ in points)
    if n < 3 or width <= 0.0:
        raise ValueError(f"a line needs three points at different places; found {n}")
    slope = math.fsum((across - middle) * (up - height) for across, up in points) / width
    intercept = height - slope * middle
    variance = math.fsum((up - intercept - slope * across) ** 2 for across, up in points) / (n - 2)
    return Line(
        intercept=_estimate(intercept, math.sqrt(variance * (1.0 / n + middle**2 / width)), n),
        slope=_estimate(slope, math.sqrt(variance / width), n),
    )


def _estimate(value: float, error: float, n: int) -> Estimate:
    return Estimate(value=value, errors=(ErrorPart(origin="line", part="", error=error, degrees=n - 2.0),))
