"""Room for labels: inside the frame, clear of each other, near their points, the same every time."""

from __future__ import annotations

import itertools
import math

import pytest

from layerprof.report.base import Box, boxes_on_line, placed_labels

FRAME = Box(left=0.0, bottom=0.0, width=400.0, height=300.0)
SIZE = (80.0, 10.0)


def is_inside(box: Box, frame: Box) -> bool:
    return box.overlap(frame) == pytest.approx(box.width * box.height)


def dot(x: float, y: float) -> Box:
    return Box(left=x - 2, bottom=y - 2, width=4.0, height=4.0)


def test_a_lone_label_stands_close_to_its_point_on_the_right() -> None:
    [placed] = placed_labels([[(100.0, 100.0)]], [SIZE], frame=FRAME)

    assert placed.box.left > 100.0
    assert abs(placed.box.centre[1] - 100.0) <= SIZE[1] / 2
    assert math.dist(*placed.leader) < 10.0


@pytest.mark.parametrize("corner", [(1.0, 1.0), (399.0, 1.0), (1.0, 299.0), (399.0, 299.0)])
def test_a_label_of_a_point_at_the_edge_stays_inside(corner: tuple[float, float]) -> None:
    [placed] = placed_labels([[corner]], [SIZE], frame=FRAME)

    assert is_inside(placed.box, FRAME)


def test_labels_of_one_place_do_not_lie_on_each_other() -> None:
    placed = placed_labels([[(200.0, 150.0)]] * 8, [SIZE] * 8, frame=FRAME)

    for one, other in itertools.combinations(placed, 2):
        assert one.box.overlap(other.box) == 0.0


def test_no_label_lies_on_the_line_of_another_where_there_is_room() -> None:
    placed = placed_labels([[(200.0, 150.0)]] * 6, [SIZE] * 6, frame=FRAME)

    for one, other in itertools.permutations(placed, 2):
        assert not any(part.overlap(one.box) for part in boxes_on_line(*other.leader))


def test_a_label_keeps_off_what_is_taken_and_off_points_where_there_is_room() -> None:
    taken = Box(left=105.0, bottom=90.0, width=100.0, height=20.0)  # where a lone label would be
    points = [dot(60.0, 100.0), dot(100.0, 112.0)]  # and to the left and above it

    [placed] = placed_labels([[(100.0, 100.0)]], [SIZE], frame=FRAME, taken=[taken], obstacles=points)

    assert not any(placed.box.overlap(box) for box in (taken, *points))


def test_a_label_goes_to_another_point_of_its_cloud_where_the_first_is_crowded() -> None:
    crowd = [dot(x, y) for x in range(20, 240, 5) for y in range(20, 240, 5)]

    [placed] = placed_labels([[(100.0, 100.0), (300.0, 270.0)]], [SIZE], frame=FRAME, obstacles=crowd)

    assert placed.anchor == (300.0, 270.0)


def test_the_first_point_is_preferred_where_both_are_free() -> None:
    [placed] = placed_labels([[(100.0, 100.0), (300.0, 250.0)]], [SIZE], frame=FRAME)

    assert placed.anchor == (100.0, 100.0)


def test_the_little_boxes_of_a_line_reach_from_end_to_end() -> None:
    boxes = boxes_on_line((0.0, 0.0), (30.0, 40.0))

    assert (boxes[0].centre, boxes[-1].centre) == ((0.0, 0.0), (30.0, 40.0))
    assert max(math.dist(one.centre, other.centre) for one, other in itertools.pairwise(boxes)) <= 6.0
