"""The plane of the roofline and its places in print.

All room is fixed beforehand, in points of print from the lower left corner of the axes, so that labels can be given
places without drawing anything, and the same profile always gives the same picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from layerprof.report.base import Box, without_glyph_warnings

SIZE = (10.0, 6.6)  # of the figure, in inches
ROOM = (0.125, 0.2, 0.855, 0.685)  # of the axes in the figure: left, bottom, width, height
_POINTS = 72  # to the inch: the unit of print


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """The logarithmic plane of intensity (x) and rate (y).

    Attributes:
        x_ends, y_ends: the least and the largest value in sight.
    """

    x_ends: tuple[float, float]
    y_ends: tuple[float, float]

    @property
    def frame(self) -> Box:
        """The axes in print."""
        return Box(left=0.0, bottom=0.0, width=ROOM[2] * SIZE[0] * _POINTS, height=ROOM[3] * SIZE[1] * _POINTS)

    def in_print(self, x: float, y: float) -> tuple[float, float]:
        """A place of the plane in print."""
        return self.frame.width * _part(x, self.x_ends), self.frame.height * _part(y, self.y_ends)

    @property
    def slope_radians(self) -> float:
        """The angle in print of a line on which the rate grows as the intensity does."""
        across, up = self.in_print(10 * self.x_ends[0], 10 * self.y_ends[0])
        return math.atan2(up, across)


def _part(value: float, ends: tuple[float, float]) -> float:
    return math.log(value / ends[0]) / math.log(ends[1] / ends[0])


@without_glyph_warnings()
def size_of(text: str, font_size: float) -> tuple[float, float]:
    """Width and height of a line of text in print, in the font that matplotlib draws by default."""
    font = FontProperties(size=font_size)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return width, 1.25 * font_size
