"""The layers as points: coloured by stage, marked by phase, the families of the longest time named."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from layerprof.records import Profile
from layerprof.report.base import OTHER_COLOUR, STAGE_COLOURS, Box, Placed, inert, placed_labels
from layerprof.report.roofline.base import Plane, size_of
from layerprof.units import percent
from layerprof.views import RooflinePoint

_NAMED = 8  # families
_FONT_SIZE, _LEGEND_SIZE = 8.5, 8.5
_LARGEST_AREA, _LEAST_AREA, _LEAST_HOLLOW_AREA = 240.0, 8.0, 22.0  # of markers, in square points
_MARKERS = ("o", "s", "^", "D", "v", "P")  # of phases
_LEGEND_MARKER, _LEGEND_COLUMNS = 7.0, 5
_LEADER_FROM = 9.0  # in print: a label nearer than that needs no line to its point
_OTHERS = "(other stages)"
_LEAST_PARTS, _LONGEST_NAME = 2, 44  # of a family's path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cloud:
    """The points of one family in one phase, and what they are called."""

    label: str
    points: tuple[RooflinePoint, ...]

    @property
    def self_s(self) -> float:
        """Time of all its points."""
        return sum(point.self_s for point in self.points)

    @property
    def ends(self) -> tuple[RooflinePoint, ...]:
        """The points that the label may stand beside: the heaviest, the fastest and the slowest."""
        by_rate = sorted(self.points, key=lambda point: point.flops_per_s)
        heaviest = max(self.points, key=lambda point: point.self_s)
        return tuple(dict.fromkeys((heaviest, by_rate[-1], by_rate[0])))


def stage_colours(profile: Profile, points: Sequence[RooflinePoint]) -> Mapping[str, str]:
    """Stage to colour, in the profile's order; where colours do not suffice, stages of the least time share grey."""
    times: dict[str, float] = {stage.name: 0.0 for stage in profile.stages}
    for point in points:
        times[point.stage] = times.get(point.stage, 0.0) + point.self_s
    present = [stage for stage, self_s in times.items() if self_s]
    ranked = sorted(present, key=lambda stage: -times[stage])[: len(STAGE_COLOURS)]
    palette = iter(STAGE_COLOURS)
    return {stage: next(palette) if stage in ranked else OTHER_COLOUR for stage in present}


def draw_points(axes: Axes, points: Sequence[RooflinePoint], colours: Mapping[str, str]) -> None:
    """Draws the points, the larger ones first; those above the roof are hollow."""
    longest_s = max(point.self_s for point in points)
    markers = _markers(points)
    groups: dict[tuple[str, str, bool], list[RooflinePoint]] = {}
    for point in sorted(points, key=lambda point: -point.self_s):
        groups.setdefault((point.stage, point.phase, point.is_above), []).append(point)
    for (stage, phase, is_above), members in groups.items():
        axes.scatter(
            [point.intensity for point in members],
            [point.flops_per_s for point in members],
            s=[_area(point, longest_s) for point in members],
            marker=markers[phase],
            facecolors="none" if is_above else colours[stage],
            edgecolors=colours[stage] if is_above else "white",
            linewidths=1.2 if is_above else 0.5,
            alpha=0.85,
            zorder=3,
        )


def _area(point: RooflinePoint, longest_s: float) -> float:
    return max(_LEAST_HOLLOW_AREA if point.is_above else _LEAST_AREA, _LARGEST_AREA * point.self_s / longest_s)


def _markers(points: Sequence[RooflinePoint]) -> dict[str, str]:
    phases = dict.fromkeys(point.phase for point in points)
    return {phase: _MARKERS[place % len(_MARKERS)] for place, phase in enumerate(phases)}


def name_families(
    axes: Axes, plane: Plane, points: Sequence[RooflinePoint], *, taken: Sequence[Box], lines: Sequence[Box]
) -> None:
    """Names the families of the longest time, each beside a point of its own, with its share of all points' time.

    Args:
        axes: to draw into.
        plane: where places are in print.
        points: of all families.
        taken: where other labels are.
        lines: that are better not covered.
    """
    whole_s, longest_s = sum(point.self_s for point in points), max(point.self_s for point in points)
    clouds = _named_clouds(points)
    labels = [f"{cloud.label}  {percent(cloud.self_s, whole_s, digits=0)}" for cloud in clouds]
    anchors = [[plane.in_print(point.intensity, point.flops_per_s) for point in cloud.ends] for cloud in clouds]
    sizes = [size_of(label, _FONT_SIZE) for label in labels]
    obstacles = [*(_box_of(point, plane, longest_s) for point in points), *lines]
    places = placed_labels(anchors, sizes, frame=plane.frame, taken=taken, obstacles=obstacles)
    for label, place in zip(labels, places, strict=True):
        _draw_label(axes, label, place)


def _draw_label(axes: Axes, label: str, place: Placed) -> None:
    if math.dist(*place.leader) > _LEADER_FROM:
        axes.annotate(
            "",
            place.anchor,
            xycoords="axes points",
            xytext=place.leader[0],
            textcoords="axes points",
            arrowprops={"arrowstyle": "-", "color": "#555555", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0},
            zorder=4,
        )
    axes.annotate(
        label,
        place.box.centre,
        xycoords="axes points",
        ha="center",
        va="center",
        fontsize=_FONT_SIZE,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
        zorder=5,
        parse_math=False,
    )


def _box_of(point: RooflinePoint, plane: Plane, longest_s: float) -> Box:
    x, y = plane.in_print(point.intensity, point.flops_per_s)
    side = math.sqrt(_area(point, longest_s))
    return Box(left=x - side / 2, bottom=y - side / 2, width=side, height=side)


def _named_clouds(points: Sequence[RooflinePoint]) -> list[_Cloud]:
    """The families of the longest time, the longest first."""
    families: dict[tuple[str, str, str], list[RooflinePoint]] = {}
    for point in points:
        families.setdefault((point.family, point.type_name, point.phase), []).append(point)
    ranked = sorted(families.items(), key=lambda item: -sum(point.self_s for point in item[1]))[:_NAMED]
    in_several = {path for path, _, _ in families if sum(family == path for family, _, _ in families) > 1}
    names = [_name(members) for _, members in ranked]
    return [
        _Cloud(
            label=_label(_shortest(name, names), len(members), phase if family in in_several else ""),
            points=tuple(members),
        )
        for name, ((family, _, phase), members) in zip(names, ranked, strict=True)
    ]


def _name(members: Sequence[RooflinePoint]) -> str:
    """The family, or the path of its only layer, whose index is no star then."""
    first = members[0]
    return first.family if len(members) > 1 else first.path or first.family


def _label(name: str, count: int, phase: str) -> str:
    """The name, how many layers have it, and the phase."""
    number = f" ({count}×)" if count > 1 else ""
    return inert(f"{name}{number}{f' in {phase}' if phase else ''}")


def _shortest(path: str, others: Sequence[str]) -> str:
    """The last parts of the path that tell it from the others."""
    parts = path.split(".")
    for kept in range(_LEAST_PARTS, len(parts)):
        end = ".".join(parts[-kept:])
        if not _is_index(parts[-kept]) and not any(other != path and other.endswith(f".{end}") for other in others):
            return end if len(end) <= _LONGEST_NAME else f"…{end[1 - _LONGEST_NAME :]}"
    return path if len(path) <= _LONGEST_NAME else f"…{path[1 - _LONGEST_NAME :]}"


def _is_index(part: str) -> bool:
    return part == "*" or part.isdecimal()


def add_legend(axes: Axes, points: Sequence[RooflinePoint], colours: Mapping[str, str]) -> None:
    """The stages by colour, the phases by marker, and what a hollow point is; below the axes."""
    shown = {stage: colour for stage, colour in colours.items() if colour != OTHER_COLOUR}
    shown |= {_OTHERS: OTHER_COLOUR} if len(shown) < len(colours) else {}
    handles = [_handle(stage, color=colour) for stage, colour in shown.items()]
    if any(point.phase for point in points):
        handles += [_handle(f"in {phase}", marker=marker) for phase, marker in _markers(points).items()]
    if any(point.is_above for point in points):
        handles.append(_handle("above the roof: no result", fill="none"))
    axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(-0.02, -0.115),
        ncols=_LEGEND_COLUMNS,
        fontsize=_LEGEND_SIZE,
        frameon=False,
        handletextpad=0.3,
        columnspacing=1.4,
    )


def _handle(label: str, *, color: str = "#555555", marker: str = "o", fill: str | None = None) -> Line2D:
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=marker,
        markersize=_LEGEND_MARKER,
        color=color,
        markerfacecolor=color if fill is None else fill,
        label=inert(label).replace("$", r"\$"),
    )
