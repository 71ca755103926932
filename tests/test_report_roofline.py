"""The roofline's picture: where roofs and points are, what is named, and bytes that do not change from run to run."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from report_records import HOSTILE, Leaf, profile_of, spec, two_blocks
from report_roofs import (
    BANDWIDTH,
    CEILINGS,
    PEAKS,
    RATE,
    blocks_under_roof,
    generation_under_roof,
    large_profile,
    under_roof,
)

from layerprof.errors import InputError
from layerprof.records import FrozenMapping, Profile
from layerprof.report.base import OTHER_COLOUR, STAGE_COLOURS
from layerprof.report.plots import save_figure
from layerprof.report.roofline import roofline_plot, roofline_png
from layerprof.views import roofline_points


def axes_of(profile: Profile) -> Axes:
    return roofline_plot(profile).axes[0]


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts if text.get_text()]


def legend(axes: Axes) -> list[str]:
    found = axes.get_legend()
    assert found is not None
    return [text.get_text() for text in found.get_texts()]


def clouds(axes: Axes) -> list[PathCollection]:
    return [cloud for cloud in axes.collections if isinstance(cloud, PathCollection)]


def places(axes: Axes) -> set[tuple[float, float]]:
    return {(float(x), float(y)) for cloud in clouds(axes) for x, y in np.asarray(cloud.get_offsets())}


def lines(axes: Axes) -> list[list[tuple[float, float]]]:
    return [[(float(x), float(y)) for x, y in np.asarray(line.get_xydata())] for line in axes.lines]


def labels_overlap(figure: Figure) -> list[tuple[str, str]]:
    figure.draw_without_rendering()
    shown = [text for text in figure.axes[0].texts if text.get_text()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown]
    return [(one[0], other[0]) for one, other in itertools.combinations(boxes, 2) if one[1].overlaps(other[1])]


def many_stages(count: int) -> Profile:
    """One layer in each stage, the first of the longest time."""
    leaves = [Leaf(path=f"part{at}", type_name="Linear", self_s=0.1 / (1 + at), self_flops=10) for at in range(count)]
    return under_roof(profile_of([Leaf(path="", type_name="Net"), *leaves]), lambda layer: 10 if layer.path else 0)


@pytest.fixture(scope="module")
def large() -> Axes:
    """The picture of some 200 layers, to be looked at alone."""
    return axes_of(large_profile())


def test_both_axes_are_logarithmic() -> None:
    axes = axes_of(blocks_under_roof())

    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_a_roof_is_the_memorys_slope_up_to_the_ridge_and_level_from_there() -> None:
    slope, level = lines(axes_of(blocks_under_roof()))

    assert all(y == pytest.approx(BANDWIDTH * x) for x, y in slope)
    assert slope[-1] == pytest.approx((RATE / BANDWIDTH, RATE))
    assert [y for _, y in level] == [RATE, RATE]
    assert level[0][0] == pytest.approx(RATE / BANDWIDTH)


def test_only_the_formats_in_use_have_a_roof() -> None:
    names = texts(axes_of(blocks_under_roof()))

    assert "float32 1.00 MFLOP/s" in names
    assert "memory 100 kB/s" in names
    assert not any("bfloat16" in name for name in names)


def test_every_format_has_a_roof_where_the_layers_do_not_tell_theirs() -> None:
    profile = blocks_under_roof()
    layers = tuple(dataclasses.replace(layer, flops_by_dtype=None) for layer in profile.layers)

    names = texts(axes_of(dataclasses.replace(profile, layers=layers)))

    assert {"float32 1.00 MFLOP/s", "bfloat16 4.00 MFLOP/s"} <= set(names)


def test_the_vendors_peaks_are_dashed_lines_beside_the_measured_ones() -> None:
    axes = axes_of(dataclasses.replace(blocks_under_roof(), peaks=PEAKS))

    styles = [line.get_linestyle() for line in axes.lines]
    assert styles == ["-", "-", "--", "--"]
    assert "vendor: float32 1.50 MFLOP/s" in texts(axes)
    assert lines(axes)[-1][-1][1] == 1.5 * RATE


def test_the_vendors_peaks_alone_are_the_roof_and_the_title_says_so() -> None:
    axes = axes_of(dataclasses.replace(blocks_under_roof(), ceilings=None, peaks=PEAKS))

    assert [line.get_linestyle() for line in axes.lines] == ["-", "-"]
    assert any("under vendor's peaks" in text for text in texts(axes))


def test_the_roofs_are_in_sight_where_every_point_lies_far_above_them() -> None:
    low = dataclasses.replace(CEILINGS, matrix_flops_per_s=FrozenMapping({"float32": RATE / 1e9}))

    axes = axes_of(dataclasses.replace(blocks_under_roof(), ceilings=low))

    assert axes.get_ylim()[0] < RATE / 1e9 < min(y for _, y in places(axes))


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_a_slope_alone_is_in_sight_however_far_it_is_from_the_points(factor: float) -> None:
    ceilings = dataclasses.replace(CEILINGS, matrix_flops_per_s=FrozenMapping({}), copy_bytes_per_s=factor * BANDWIDTH)

    axes = axes_of(dataclasses.replace(blocks_under_roof(), ceilings=ceilings))

    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert bottom < factor * BANDWIDTH * (left * right) ** 0.5 < top


def test_without_a_bandwidth_the_roofs_are_level_from_end_to_end() -> None:
    ceilings = dataclasses.replace(CEILINGS, copy_bytes_per_s=None)

    axes = axes_of(dataclasses.replace(blocks_under_roof(), ceilings=ceilings))

    assert [point[1] for point in lines(axes)[0]] == [RATE, RATE]
    assert lines(axes)[0][0][0] == axes.get_xlim()[0]


def test_every_point_is_drawn_once_inside_the_axes(large: Axes) -> None:
    points = roofline_points(large_profile())

    expected = {(point.intensity, point.flops_per_s) for point in points}
    assert places(large) == expected
    (left, right), (bottom, top) = large.get_xlim(), large.get_ylim()
    assert all(left < x < right and bottom < y < top for x, y in expected)
    assert sum(len(np.asarray(cloud.get_offsets())) for cloud in clouds(large)) == len(points)


def test_area_goes_with_time() -> None:
    profile = many_stages(2)  # of 0.1 and 0.05 s

    first, second = (float(cloud.get_sizes()[0]) for cloud in clouds(axes_of(profile)))

    assert first == pytest.approx(2 * second)


def test_each_stage_has_its_colour_and_the_shortest_share_grey_where_colours_are_used_up() -> None:
    axes = axes_of(many_stages(len(STAGE_COLOURS) + 2))

    colours = [to_hex(np.asarray(cloud.get_facecolor())[0]).upper() for cloud in clouds(axes)]
    assert colours == [*STAGE_COLOURS, OTHER_COLOUR, OTHER_COLOUR]
    assert legend(axes) == [*(f"part{at}" for at in range(len(STAGE_COLOURS))), "(other stages)"]


def test_what_is_above_the_roof_is_hollow_and_the_legend_says_what_that_means(large: Axes) -> None:
    hollow = [cloud for cloud in clouds(large) if not len(np.asarray(cloud.get_facecolor()))]
    assert sum(len(np.asarray(cloud.get_offsets())) for cloud in hollow) == 1  # the projection
    assert legend(large)[-1] == "above the roof: no result"
    assert "above the roof: no result" not in legend(axes_of(many_stages(1)))


def test_phases_have_markers_of_their_own() -> None:
    axes = axes_of(generation_under_roof())

    assert legend(axes) == ["vision", "lm", "in vision", "in prefill", "in decode"]
    assert {"layers.*.fc (2×) in prefill  32 %", "layers.*.fc (2×) in decode  42 %"} <= set(texts(axes))


def test_the_families_of_the_longest_time_are_named_with_their_share() -> None:
    axes = axes_of(blocks_under_roof())

    times = {"layers.*.fc1 (2×)": 0.020, "layers.*.fc2 (2×)": 0.040, "head": 0.005}
    expected = {f"{name}  {100 * time / sum(times.values()):.0f} %" for name, time in times.items()}
    assert expected <= set(texts(axes))


def test_an_only_layer_is_named_by_its_path_and_not_by_a_star() -> None:
    leaves = [Leaf(path="", type_name="Net"), Leaf(path="0", type_name="Linear", self_s=0.1, self_flops=10)]
    deeper = Leaf(path="lm.layers.3.fc", type_name="Linear", self_s=0.1, self_flops=10)
    profile = under_roof(profile_of([*leaves, deeper]), lambda layer: 10 if layer.self_flops else 0)

    assert {"0  50 %", "layers.3.fc  50 %"} <= set(texts(axes_of(profile)))


def test_no_more_than_eight_families_are_named(large: Axes) -> None:
    assert sum(text.endswith(" %") for text in texts(large)) == 8


def test_families_that_end_alike_are_told_apart(large: Axes) -> None:
    names = [text for text in texts(large) if "fc1" in text]

    assert len(names) == 2
    assert any(name.startswith("encoder.layers.*.mlp.fc1") for name in names)
    assert any(name.startswith("decoder.layers.*.mlp.fc1") for name in names)


@pytest.mark.parametrize(
    "made",
    [
        large_profile,
        partial(large_profile, has_peaks=False),
        generation_under_roof,
        blocks_under_roof,
        partial(many_stages, 9),
    ],
    ids=["large", "without peaks", "phases", "blocks", "stages"],
)
def test_no_text_in_the_plane_overlaps_another(made: Callable[[], Profile]) -> None:
    pairs = labels_overlap(roofline_plot(made()))

    assert [pair for pair in pairs if not any("memory" in name for name in pair)] == []


def test_the_title_names_the_model_the_device_and_the_formats() -> None:
    first, second = texts(axes_of(blocks_under_roof()))[-2:]

    assert first == "net: roofline on a device"
    assert second.startswith("float32; under measured ceilings")


def test_a_profile_without_ceilings_is_refused() -> None:
    with pytest.raises(InputError, match="no ceilings to draw a roofline with"):
        roofline_plot(profile_of(two_blocks()))


@pytest.mark.parametrize("field", ["self_s", "self_flops", "self_bytes_moved"])
def test_layers_that_miss_what_makes_a_point_are_refused(field: str) -> None:
    profile = blocks_under_roof()
    layers = tuple(dataclasses.replace(layer, **{field: None}) for layer in profile.layers)  # type: ignore[arg-type]

    with pytest.raises(InputError, match="no layer of the profile has FLOPs, bytes and a time"):
        roofline_plot(dataclasses.replace(profile, layers=layers))


def test_hostile_names_are_drawn_as_plain_text(tmp_path: Path) -> None:
    leaves = [
        Leaf(path="", type_name="Net"),
        Leaf(path=HOSTILE.replace(".", ""), type_name=HOSTILE, self_s=0.1, self_flops=9),
    ]
    ceilings = dataclasses.replace(CEILINGS, device=HOSTILE, matrix_flops_per_s=FrozenMapping({HOSTILE: RATE}))
    profile = under_roof(profile_of(leaves), lambda layer: 9 if layer.path else 0, ceilings, dtype=HOSTILE)

    figure = roofline_plot(dataclasses.replace(profile, spec=spec(model=HOSTILE)))

    assert not any("\u202e" in text for text in (*texts(figure.axes[0]), *legend(figure.axes[0])))
    assert save_figure(figure, tmp_path / "plot.svg").stat().st_size > 0  # mathtext would have raised


def test_names_that_the_font_has_no_glyphs_for_are_drawn_without_a_warning(tmp_path: Path) -> None:
    leaves = [
        Leaf(path="", type_name="Net"),
        Leaf(path="\u6ce8\u610f", type_name="Linear", self_s=0.1, self_flops=9),
    ]
    profile = under_roof(profile_of(leaves), lambda layer: 9 if layer.path else 0)

    save_figure(roofline_plot(profile), tmp_path / "plot.png")  # a warning is an error here

    assert roofline_png(profile)


def test_the_same_profile_gives_the_same_picture(tmp_path: Path) -> None:
    first, second = (
        save_figure(roofline_plot(generation_under_roof()), tmp_path / f"{name}.svg").read_bytes() for name in "ab"
    )

    assert first == second
    assert roofline_png(blocks_under_roof()) == roofline_png(blocks_under_roof())
