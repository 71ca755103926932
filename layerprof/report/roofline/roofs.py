"""The roofs: the memory's slope, a level for each format in use, and the vendor's peaks as dashed lines beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from matplotlib.axes import Axes

from layerprof.records import Ceilings
from layerprof.report.base import Box, boxes_on_line, inert
from layerprof.report.roofline.base import Plane, size_of
from layerprof.units import with_unit
from layerprof.views import RooflinePoint

_FONT_SIZE = 8.0
_ROOF_COLOUR, _PEAK_COLOUR = "#333333", "#8A8A8A"
_GAP = 3.0  # in print, between a line and its label
_STEP = 12.0  # in print, by which a label moves along its line out of another's way
_SLOPE_START = 10.0  # in print, from the low end of a slope to its label
_DASHES = (0, (6, 4))  # in points: on, off


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofs:
    """The ceilings that are drawn.

    Attributes:
        rates: format to the FLOP/s of matrix products in it.
        copy_bytes_per_s: the memory's bandwidth, or None.
        peaks, peak_bytes_per_s: the same of the vendor, where the others were measured.
    """

    rates: Mapping[str, float]
    copy_bytes_per_s: float | None
    peaks: Mapping[str, float] = field(default_factory=dict)
    peak_bytes_per_s: float | None = None


def roofs_of(points: Sequence[RooflinePoint], ceilings: Ceilings, peaks: Ceilings | None) -> Roofs:
    """The ceilings of the formats in use, or of all formats where the points have none."""
    used = dict.fromkeys(dtype for point in points for dtype in point.formats)
    return Roofs(
        rates=_rates(ceilings, used),
        copy_bytes_per_s=ceilings.copy_bytes_per_s,
        peaks={} if peaks is None else _rates(peaks, used),
        peak_bytes_per_s=None if peaks is None else peaks.copy_bytes_per_s,
    )


def _rates(ceilings: Ceilings, used: Mapping[str, None]) -> dict[str, float]:
    rates = ceilings.matrix_flops_per_s
    return {dtype: rates[dtype] for dtype in used or rates if dtype in rates}


def draw_roofs(axes: Axes, plane: Plane, roofs: Roofs) -> tuple[tuple[Box, ...], tuple[Box, ...]]:
    """Draws the lines with their labels; returns where the labels and where the lines are, in print.

    Measured and stated roofs lie close together: where there are both, the measured ones are named below their lines.
    """
    has_peaks = bool(roofs.peaks) or roofs.peak_bytes_per_s is not None
    pen = _Pen(axes=axes, plane=plane, color=_ROOF_COLOUR, line_width=1.4, dashes="solid", is_named_above=not has_peaks)
    taken: list[Box] = []
    lines = list(pen.draw(roofs.rates, roofs.copy_bytes_per_s, taken))
    vendor = replace(pen, prefix="vendor: ", color=_PEAK_COLOUR, line_width=0.8, dashes=_DASHES, is_named_above=True)
    lines.extend(vendor.draw(roofs.peaks, roofs.peak_bytes_per_s, taken))
    return tuple(taken), tuple(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pen:
    """Draws the roofs of one sort, with labels that keep off each other."""

    axes: Axes
    plane: Plane
    color: str
    line_width: float
    dashes: str | tuple[int, tuple[int, int]]
    is_named_above: bool
    prefix: str = ""

    def draw(self, rates: Mapping[str, float], copy_bytes_per_s: float | None, taken: list[Box]) -> Iterator[Box]:
        """Draws the slope and the levels, adds the boxes of their labels to ``taken``, and gives those of the lines."""
        start, end = self.plane.x_ends
        if copy_bytes_per_s is not None:
            low = max(start, self.plane.y_ends[0] / copy_bytes_per_s)
            high = max(rates.values()) / copy_bytes_per_s if rates else end
            yield from self._line((low, low * copy_bytes_per_s), (high, high * copy_bytes_per_s))
            taken.extend(self._name_slope(low, copy_bytes_per_s))
        for dtype, rate in rates.items():
            ridge = start if copy_bytes_per_s is None else max(start, rate / copy_bytes_per_s)
            yield from self._line((ridge, rate), (end, rate))
            taken.append(self._name_level(f"{self.prefix}{inert(dtype)} {with_unit(rate, 'flops_per_s')}", rate, taken))

    def _name_slope(self, start: float, copy_bytes_per_s: float) -> Iterator[Box]:
        """Writes along the slope, from its low end."""
        label = f"{self.prefix}memory {with_unit(copy_bytes_per_s, 'bytes_per_s')}"
        size, angle = size_of(label, _FONT_SIZE), self.plane.slope_radians
        x, y = self.plane.in_print(start, start * copy_bytes_per_s)
        along, off = _SLOPE_START, self._offset(size[1])
        corner = (
            x + along * math.cos(angle) - off * math.sin(angle),
            y + along * math.sin(angle) + off * math.cos(angle),
        )
        self._label(label, corner, angle)
        return _boxes_along(corner, size, angle)

    def _name_level(self, label: str, rate: float, taken: Sequence[Box]) -> Box:
        """Writes at the right end of a level, or as far to the left as other labels need."""
        width, height = size_of(label, _FONT_SIZE)
        right, y = self.plane.in_print(self.plane.x_ends[1], rate)
        bottom, left = y + self._offset(height), right - width
        while any(Box(left=left, bottom=bottom, width=width, height=height).overlap(box) for box in taken) and left > 0:
            left -= _STEP
        self._label(label, (left, bottom), 0.0)
        return Box(left=left, bottom=bottom, width=width, height=height)

    def _offset(self, height: float) -> float:
        """From the line to the lower edge of its label."""
        return _GAP if self.is_named_above else -_GAP - height

    def _line(self, start: tuple[float, float], end: tuple[float, float]) -> Iterator[Box]:
        across, up = zip(start, end, strict=True)
        self.axes.plot(across, up, color=self.color, linewidth=self.line_width, linestyle=self.dashes, zorder=1.5)
        return iter(boxes_on_line(self.plane.in_print(*start), self.plane.in_print(*end)))

    def _label(self, label: str, corner: tuple[float, float], angle: float) -> None:
        self.axes.annotate(
            label,
            corner,
            xycoords="axes points",
            rotation=math.degrees(angle),
            rotation_mode="anchor",
            va="bottom",
            color=self.color,
            fontsize=_FONT_SIZE,
            parse_math=False,
        )


def _boxes_along(corner: tuple[float, float], size: tuple[float, float], angle: float) -> Iterator[Box]:
    """Small boxes that cover a slanted label, since boxes do not slant."""
    width, height = size
    for place in range(math.ceil(width / height)):
        yield Box(
            left=corner[0] + place * height * math.cos(angle) - height * math.sin(angle),
            bottom=corner[1] + place * height * math.sin(angle),
            width=height * (math.cos(angle) + math.sin(angle)),
            height=height * (math.cos(angle) + math.sin(angle)),
        )
