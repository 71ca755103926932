"""Room for labels beside their points: a plain geometry of boxes, the same for the same picture.

Labels are placed one after the other, the most important first. Each tries places around each of its anchors, near ones
first, and takes the one that costs least:

    cost = what of it lies outside the frame, on another label or on a line to one (must not be),
           and other labels that its own line would cross (must not be either)
         + the points and lines of the picture that it would cover
         + how far it is from its anchor
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_DIRECTIONS = 16
_DISTANCES = (7.0, 14.0, 24.0, 38.0, 56.0, 80.0, 110.0)  # from the anchor to the box, in the unit of the boxes
_REACH = 130.0  # from an anchor, further than that no place is tried
_MARGIN = 3.0  # that boxes keep between them
_STEP = 6.0  # between the little boxes that a leader is made of
_BLOCKED, _COVERED, _FAR = 1000.0, 30.0, 0.25  # what a covered share, a covered obstacle and a unit of distance cost
_NOT_FIRST = 12.0  # what each anchor costs more than the one before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle with its sides along the axes; any unit, such as points of print."""

    left: float
    bottom: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        """Its middle."""
        return self.left + self.width / 2, self.bottom + self.height / 2

    def overlap(self, other: Box) -> float:
        """The area that the two have in common."""
        width = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        height = min(self.bottom + self.height, other.bottom + other.height) - max(self.bottom, other.bottom)
        return width * height if width > 0.0 and height > 0.0 else 0.0

    def grown(self, margin: float) -> Box:
        """The box with a margin on every side."""
        return Box(
            left=self.left - margin,
            bottom=self.bottom - margin,
            width=self.width + 2 * margin,
            height=self.height + 2 * margin,
        )

    def nearest(self, point: tuple[float, float]) -> tuple[float, float]:
        """Its point that is nearest to another."""
        x, y = point
        return (
            min(max(x, self.left), self.left + self.width),
            min(max(y, self.bottom), self.bottom + self.height),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A label's box and the anchor that it stands beside."""

    box: Box
    anchor: tuple[float, float]

    @property
    def leader(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The line from the box to the anchor."""
        return self.box.nearest(self.anchor), self.anchor


def boxes_on_line(start: tuple[float, float], end: tuple[float, float]) -> tuple[Box, ...]:
    """Little boxes along a line, both ends included."""
    count = math.ceil(math.dist(start, end) / _STEP) + 1
    parts = [place / max(1, count - 1) for place in range(count)]
    return tuple(
        Box(
            left=start[0] + part * (end[0] - start[0]) - 0.5,
            bottom=start[1] + part * (end[1] - start[1]) - 0.5,
            width=1.0,
            height=1.0,
        )
        for part in parts
    )


def placed_labels(
    anchors: Sequence[Sequence[tuple[float, float]]],
    sizes: Sequence[tuple[float, float]],
    *,
    frame: Box,
    taken: Sequence[Box] = (),
    obstacles: Sequence[Box] = (),
) -> tuple[Placed, ...]:
    """A place for each label, in the order given, which is that of importance.

    Args:
        anchors: of each label, the points that it may stand beside, the best first.
        sizes: width and height of each.
        frame: that labels stay inside.
        taken: where other labels are, which none may cover.
        obstacles: what is better left visible, such as points.
    """
    done: list[Placed] = []
    for choices, size in zip(anchors, sizes, strict=True):
        labels = [*taken, *(placed.box for placed in done)]
        leaders = [box for placed in done for box in boxes_on_line(*placed.leader)]
        surroundings = _Surroundings(frame=frame, labels=labels, leaders=leaders, obstacles=obstacles)
        found = [surroundings.best(anchor, size) for anchor in choices]
        costs = [cost + _NOT_FIRST * place for place, (cost, _) in enumerate(found)]
        done.append(found[costs.index(min(costs))][1])
    return tuple(done)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Surroundings:
    """What a label has to keep clear of: other labels and their leaders, and rather also the picture."""

    frame: Box
    labels: Sequence[Box]
    leaders: Sequence[Box]
    obstacles: Sequence[Box]

    def best(self, anchor: tuple[float, float], size: tuple[float, float]) -> tuple[float, Placed]:
        """The place around the anchor that costs least, and its cost; the first of equals."""
        x, y = anchor
        reach = Box(left=x, bottom=y, width=0.0, height=0.0).grown(_REACH + max(size))
        near = [box for box in self.obstacles if box.overlap(reach) > 0.0]
        places = [Placed(box=box, anchor=anchor) for box in _boxes_around(anchor, size)]
        least, found = math.inf, places[0]
        for place in places:
            if _FAR * math.dist(*place.leader) < least:  # else it is too far already, whatever it covers
                cost = self._cost(place, near)
                least, found = (cost, place) if cost < least else (least, found)
        return least, found

    def _cost(self, place: Placed, obstacles: Sequence[Box]) -> float:
        box, grown = place.box, place.box.grown(_MARGIN)
        area = box.width * box.height
        outside = 1.0 - box.overlap(self.frame) / area
        on_labels = sum(grown.overlap(other) for other in (*self.labels, *self.leaders)) / area
        if outside + on_labels > 0.0:
            return _BLOCKED * (1.0 + outside + on_labels)
        crossed = sum(1 for part in boxes_on_line(*place.leader) for other in self.labels if part.overlap(other) > 0.0)
        covered = sum(1 for other in obstacles if box.overlap(other) > 0.0)
        return _BLOCKED * crossed + _COVERED * covered + _FAR * math.dist(*place.leader)


def _boxes_around(anchor: tuple[float, float], size: tuple[float, float]) -> Iterator[Box]:
    """Boxes around the anchor, by distance and then by direction, to the right first."""
    (x, y), (width, height) = anchor, size
    for distance in _DISTANCES:
        for step in range(_DIRECTIONS):
            angle = 2 * math.pi * step / _DIRECTIONS
            centre_x = x + math.cos(angle) * (distance + width / 2)
            centre_y = y + math.sin(angle) * (distance + height / 2)
            yield Box(left=centre_x - width / 2, bottom=centre_y - height / 2, width=width, height=height)
