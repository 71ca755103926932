"""The figures of a profile as pictures, of models with many stages and long names too."""

from __future__ import annotations

from pathlib import Path

import pytest
from boards_reading import read
from report_phases import PhasedLeaf, generation_profile, phased_profile
from report_records import Leaf, profile_of
from report_roofs import blocks_under_roof

from layerprof.boards import export_tensorboard
from layerprof.records import Profile
from layerprof.report.base import STAGE_COLOURS
from layerprof.report.plots import figure_png, phase_bars, stage_bars

PNG = b"\x89PNG\r\n\x1a\n"
STAGES = 1021


def pictures_of(profile: Profile, folder: Path) -> dict[str, bytes]:
    export_tensorboard(profile, folder)
    return read(folder).pictures


def test_figures_are_pictures_of_their_own_size(tmp_path: Path) -> None:
    found = pictures_of(blocks_under_roof(), tmp_path)

    assert set(found) == {"figures/stages", "figures/roofline"}
    assert all(png.startswith(PNG) for png in found.values())


def test_a_profile_of_several_phases_has_their_figure(tmp_path: Path) -> None:
    assert "figures/phases" in pictures_of(generation_profile(), tmp_path)


def test_of_many_stages_the_largest_are_drawn_and_the_others_are_one_part() -> None:
    leaves = [Leaf(path="", type_name="Net")]
    leaves += [Leaf(path=f"part{place}", type_name="Part", self_s=0.001 * (1 + place)) for place in range(STAGES)]
    profile = profile_of(leaves)
    most = len(STAGE_COLOURS)

    figure = stage_bars(profile)

    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert figure_png(figure).startswith(PNG)  # a warning of the layout would have been an error
    assert [name.split(" ")[0] for name in names[:most]] == [f"part{place}" for place in range(STAGES - most, STAGES)]
    assert names[most].startswith(f"({len(profile.stages) - most:,} other stages) ")
    assert profile.step_s is not None
    widths = [bar.get_width() for bar in figure.axes[0].patches]  # type: ignore[attr-defined]
    assert sum(widths) == pytest.approx(profile.step_s.median)


def test_of_many_stages_the_largest_are_drawn_in_each_phase() -> None:
    phases = ("prefill", "decode")
    leaves = [PhasedLeaf(path="", type_name="Net")]
    leaves += [PhasedLeaf(path=f"part{place}", by_phase=dict.fromkeys(phases, (0.01, 1))) for place in range(STAGES)]

    figure = phase_bars(phased_profile(leaves, dict.fromkeys(phases, 1)))

    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert figure_png(figure).startswith(PNG)
    assert len(names) == len(STAGE_COLOURS) + 2
    assert "other stages" in names[-2]


def test_names_of_any_length_are_cut_in_the_legend() -> None:
    leaves = [
        Leaf(path="", type_name="Net"),
        *(Leaf(path=f"{at}{'x' * 10_000}", type_name="Part", self_s=0.1) for at in range(5)),
    ]

    figure = stage_bars(profile_of(leaves))

    assert figure_png(figure).startswith(PNG)  # which places the legend
    box = figure.legends[0].get_window_extent()
    assert len(figure.legends[0].get_texts()) == len(leaves) + 1
    assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
