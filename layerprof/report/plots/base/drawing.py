"""How plots look: text that is drawn as it is and in the room it has, panels, titles, legends, whiskers."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from layerprof.report.base import inert, without_glyph_warnings

LEFT_COLOUR, RIGHT_COLOUR = "#0072B2", "#D55E00"  # blue, vermilion
QUIET, GRID_COLOUR = "#555555", "#DDDDDD"
POINTS = 72  # to the inch: the unit of print
MOST_COLUMNS = 3  # of panels beside each other

LABEL_SIZE, LONGEST_LABEL = 8.5, 28  # points, characters
PANEL_SIZE, TITLE_LINE = 9.0, 0.17  # points: of a panel's name; inches: of a line of the title
_TITLE_SIZE, _LEGEND_SIZE = 10.0, 8.0  # points
_TITLE_MARGIN = 0.01  # of a figure's width, on both sides
_MOST_TITLE_LINES, _LONGEST_TEXT = 2, 400  # that one remark may take; characters, which are more than these hold
_ROW_TITLE_WIDTH = 110.0  # points: what the least panel is high, with a little of what is above and below it
_LIGHT = 0.55  # of white's brightness: what is above it carries black text
_LEGEND_COLUMNS = 4


def shortened(text: str, most: int) -> str:
    """The text on one line, and inert, cut to so many characters with an ellipsis."""
    plain = inert(" ".join(text.split()))
    return plain if len(plain) <= most else f"{plain[: max(1, most - 1)]}…"


@without_glyph_warnings()
def width_of(text: str, size: float) -> float:
    """The width in points of a line of text in the font that matplotlib draws by default."""
    return float(text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)[0])


def fitted(text: str, size: float, width: float) -> str:
    """The text on one line, and inert, cut with an ellipsis to so many points in a font of that size."""
    plain = shortened(text, _LONGEST_TEXT)
    if width_of(plain, size) <= width:
        return plain
    kept = bisect.bisect_right(range(len(plain)), width, key=lambda most: width_of(f"{plain[:most]}…", size)) - 1
    return f"{plain[: max(1, kept)].rstrip()}…"


def wrapped(text: str, size: float, width: float, *, most_lines: int = _MOST_TITLE_LINES) -> list[str]:
    """The text, inert, in lines of so many points; what does not go into the last line is cut with an ellipsis."""
    words, lines = shortened(text, _LONGEST_TEXT).split(" "), list[str]()
    while words and len(lines) < most_lines - 1:
        counts = range(1, len(words) + 1)
        most = bisect.bisect_right(counts, width, key=lambda count: width_of(" ".join(words[:count]), size))
        if not most:  # one word that is too long: it is cut where it stands
            break
        lines.append(" ".join(words[:most]))
        words = words[most:]
    return [*lines, fitted(" ".join(words), size, width)] if words else lines


def legend_text(name: str) -> str:
    """A name as a legend shows it as plain text; legends cannot be told to leave dollars alone."""
    return shortened(name, LONGEST_LABEL).replace("$", r"\$")


def ink_on(colour: str) -> str:
    """Black or white, whichever is legible on the colour.

    Source:
        ITU-R BT.601: luma is 0.299 R + 0.587 G + 0.114 B.
    """
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > _LIGHT else "white"


def panels_below(figure: Figure, heights: Sequence[float]) -> list[Axes]:
    """One axes a height, below each other, each with its own scale across."""
    return list(figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights).ravel())


def panels_beside(figure: Figure, names: Sequence[str]) -> list[Axes]:
    """One axes a name, side by side with common scales."""
    columns = min(MOST_COLUMNS, len(names))
    lines = -(-len(names) // columns)
    grid = list(figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel())
    for spare in grid[len(names) :]:
        spare.set_axis_off()
    return grid[: len(names)]


def title_lines(remarks: Sequence[str], width: float) -> list[str]:
    """The remarks as the lines of a title, none of them wider than a figure of so many inches."""
    room = POINTS * width * (1.0 - 2.0 * _TITLE_MARGIN)
    return [line for remark in remarks for line in wrapped(remark, _TITLE_SIZE, room)]


def add_title(figure: Figure, remarks: Sequence[str]) -> None:
    """The subject first and what else there is to know in the lines below, at the upper left corner."""
    text = "\n".join(title_lines(remarks, figure.get_figwidth()))
    figure.suptitle(text, x=_TITLE_MARGIN, ha="left", fontsize=_TITLE_SIZE, parse_math=False)


def name_panel(axes: Axes, name: str, width: float) -> None:
    """Sets the panel's name above it, in so many points."""
    if name:
        axes.set_title(fitted(name, PANEL_SIZE, width), loc="left", fontsize=PANEL_SIZE, parse_math=False)


def add_legend(figure: Figure, handles: Sequence[object]) -> None:
    """Names of colours and marks below all panels."""
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(_LEGEND_COLUMNS, len(handles)),
        fontsize=_LEGEND_SIZE,
        frameon=False,
    )


def set_row_labels(axes: Axes, labels: Sequence[str], *, title: str) -> None:
    """Names the rows from the top down; what the names are values of stands beside them."""
    texts = [shortened(label, LONGEST_LABEL) for label in labels]
    axes.set_yticks(range(len(labels)), labels=texts, fontsize=LABEL_SIZE, parse_math=False)
    axes.set_ylim(len(labels) - 0.4, -0.6)  # the first row on top
    axes.set_ylabel("\n".join(wrapped(title, LABEL_SIZE, _ROW_TITLE_WIDTH, most_lines=3)), fontsize=LABEL_SIZE)


def quieten(axes: Axes, *, grid: str = "x") -> None:
    """No frame but the scale, and a faint grid behind everything."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x" if grid == "x" else "y", color=GRID_COLOUR, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="both", labelsize=LABEL_SIZE)


def write(
    axes: Axes, text: str, place: tuple[float, float], *, offset: tuple[float, float] = (4.0, 0.0), **looks: object
) -> None:
    """Plain text beside a place of the plot, a few points off it."""
    axes.annotate(
        inert(text),
        place,
        xytext=offset,
        textcoords="offset points",
        parse_math=False,
        **{"fontsize": 8.0, "va": "center", "annotation_clip": False, **looks},  # type: ignore[arg-type]
    )


def apart(heights: Sequence[float], least: float, *, most: float) -> list[float]:
    """The heights moved so that neighbours are ``least`` apart and none is above ``most``, the order kept.

    Equal heights keep the order that they are given in, the first lowest.
    """
    order = sorted(range(len(heights)), key=lambda place: heights[place])
    moved = list(heights)
    for below, above in itertools.pairwise(order):
        moved[above] = max(moved[above], moved[below] + least)
    ceiling = most
    for place in reversed(order):
        moved[place] = min(moved[place], ceiling)
        ceiling = moved[place] - least
    return moved
