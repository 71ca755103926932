"""The roofline as a plot: every layer's own work under the device's ceilings, the stages coloured, the top ones named.

    FLOP/s │        vendor's peak - - - - - - - -
           │                    ┌────────────────     roof of a format: the rate of matrix products in it
           │   memory's slope  /   ●   ●              ● a layer, as large as its share of the time
           │                 / ○  ●                   ○ above the roof: no result
           └────────────────────────────── FLOP/B

What a point is, and why no work is in two of them, is told in ``layerprof.views.points``. Drawn by matplotlib's object
interface alone, like the other plots.

Source:
    S. Williams, A. Waterman, D. Patterson, Roofline: an insightful visual performance model (2009).
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from layerprof.errors import InputError
from layerprof.records import Ceilings, Profile
from layerprof.report.base import inert, without_glyph_warnings
from layerprof.report.roofline.base import ROOM, SIZE, Plane
from layerprof.report.roofline.clouds import add_legend, draw_points, name_families, stage_colours
from layerprof.report.roofline.roofs import Roofs, draw_roofs, roofs_of
from layerprof.units import with_unit
from layerprof.views import RooflinePoint, ceilings_of, roofline_points

_GRID_COLOUR = "#E6E6E6"
_FEW_TICKS = 10.0**2.5  # a range below which powers of ten alone would be too few ticks
_BYTES_DPI = 110  # of the picture inside a page, where it is shown at the page's width


def roofline_plot(profile: Profile) -> Figure:
    """Achieved FLOP/s against FLOPs for each byte, both logarithmic, under the ceilings of the formats in use.

    A point is a layer's own work (in each phase by itself, where the step has several), coloured by stage; its area is
    its share of the time. The families of layers of the longest time are named. The vendor's peaks are dashed lines.

    Raises:
        InputError: where the profile has no ceilings, or no layer with FLOPs, bytes and a time.
    """
    points, ceilings = roofline_points(profile), ceilings_of(profile)
    if ceilings is None:
        raise InputError("the profile has no ceilings to draw a roofline with; profile where they can be measured")
    if not points:
        raise InputError("no layer of the profile has FLOPs, bytes and a time; profile with the passes time and flops")
    roofs = roofs_of(points, ceilings, profile.peaks if profile.ceilings is not None else None)
    figure = Figure(figsize=SIZE)
    axes = figure.add_axes(ROOM)
    plane = _plane(points, roofs)
    _set_axes(axes, plane)
    taken, lines = draw_roofs(axes, plane, roofs)
    colours = stage_colours(profile, points)
    draw_points(axes, points, colours)
    name_families(axes, plane, points, taken=taken, lines=lines)
    add_legend(axes, points, colours)
    _add_titles(axes, profile, points, ceilings)
    return figure


@without_glyph_warnings()
def roofline_png(profile: Profile) -> bytes:
    """The plot as the bytes of a PNG; the same profile gives the same bytes.

    Raises:
        InputError: as `roofline_plot`.
    """
    stream = io.BytesIO()
    roofline_plot(profile).savefig(stream, format="png", dpi=_BYTES_DPI, metadata={"Software": None})
    return stream.getvalue()


def _plane(points: Sequence[RooflinePoint], roofs: Roofs) -> Plane:
    """Room for all points and roofs, with the ridges in sight."""
    slope = roofs.copy_bytes_per_s
    ridges = [rate / slope for rate in roofs.rates.values()] if slope else []
    intensities, rates = [point.intensity for point in points], [point.flops_per_s for point in points]
    x_ends = min([*intensities, *ridges]) / 3, max([*intensities, *ridges]) * 4
    levels = [*roofs.rates.values(), *roofs.peaks.values()]
    if slope and not levels:
        levels = [slope * math.sqrt(x_ends[0] * x_ends[1])]  # the slope's own middle
    return Plane(x_ends=x_ends, y_ends=(min([*rates, *levels]) / 3, max([*rates, *levels]) * 2.5))


def _set_axes(axes: Axes, plane: Plane) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*plane.x_ends)
    axes.set_ylim(*plane.y_ends)
    axes.set_xlabel("intensity (FLOP for each byte moved)")
    axes.set_ylabel("achieved rate")
    axes.xaxis.set_major_formatter(lambda intensity, _: f"{intensity:g}")
    axes.yaxis.set_major_formatter(lambda rate, _: with_unit(rate, "flops_per_s", digits=1))
    for axis, (low, high) in ((axes.xaxis, plane.x_ends), (axes.yaxis, plane.y_ends)):
        if high / low < _FEW_TICKS:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_minor_locator(NullLocator())
    axes.grid(color=_GRID_COLOUR, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _add_titles(axes: Axes, profile: Profile, points: Sequence[RooflinePoint], ceilings: Ceilings) -> None:
    """The model and the device; below, the formats and what a point is."""
    formats = ", ".join(dict.fromkeys(dtype for point in points for dtype in point.formats))
    whose = "vendor's peaks" if ceilings.kind == "vendor" else "measured ceilings"
    phase = " in one phase" if any(point.phase for point in points) else ""
    what = f"a point is one layer's own work{phase}, as large as its share of the time"
    subtitle = "; ".join(filter(None, (formats, f"under {whose}", what)))
    title = f"{profile.spec.model}: roofline on {ceilings.device}"
    lines = ((title, 26, 12.0, "bold", "black"), (subtitle, 11, 8.5, "normal", "#555555"))
    for text, above, size, weight, color in lines:
        axes.annotate(
            inert(text),
            (0.0, 1.0),
            xycoords="axes fraction",
            xytext=(0, above),
            textcoords="offset points",
            fontsize=size,
            fontweight=weight,
            color=color,
            parse_math=False,
        )
