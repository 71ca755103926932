"""The figures of a plan of several tests: what each is of, what its marks stand for, and what is left out of it."""

from __future__ import annotations

import dataclasses
import itertools
import math
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from reference_profiles import stage_s_of, step_s_of
from reference_sweeps import (
    ENERGY_WIDTH,
    FAILURES,
    LATENCY_WIDTH,
    NO_CUDA,
    OPTIMIZATIONS,
    cell_of,
    reference_sweep,
    small_sweep,
    work_of,
)
from sweep_parts import of_tests, with_cells, with_few_cells

from layerprof.analysis import analysed
from layerprof.records import AxisValue, CellFailure, CellRecord, FrozenMapping, SweepRecord
from layerprof.report.plots import SweepPlot, latency_energy_plot, save_figure, sweep_figures, sweep_plots

HOSTILE = "$\\frac{$\u202e<script>" + "x" * 300
NAMES = {
    "latency_energy_plot",
    "optimization_ratios",
    "quality_by_image_size",
    "quality_by_length",
    "stages_by_batch",
    "stages_by_device",
    "stages_by_image_size",
    "stages_by_length",
    "stages_by_optimization",
}


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> SweepRecord:
    return analysed(reference_sweep(tmp_path_factory.mktemp("sweep")))


@pytest.fixture(scope="module")
def plots(record: SweepRecord) -> tuple[SweepPlot, ...]:
    return sweep_plots(record)


@pytest.fixture(scope="module")
def figures(plots: tuple[SweepPlot, ...]) -> dict[str, Figure]:
    return {plot.name: plot.figure for plot in plots}


def without_metrics(record: SweepRecord, *starts: str) -> SweepRecord:
    def change(cell: CellRecord) -> CellRecord:
        kept = {name: value for name, value in cell.metrics.items() if not name.startswith(starts)}
        return dataclasses.replace(cell, metrics=FrozenMapping(kept))

    return with_cells(record, change)


def title_of(figure: Figure) -> str:
    return figure.get_suptitle()


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def row_labels(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def lengths_by_row(axes: Axes) -> dict[str, float]:
    """What the parts of each bar add up to, in seconds; panels beside each other name their rows once."""
    names = row_labels(axes.get_figure().axes[0]) if not row_labels(axes) else row_labels(axes)  # type: ignore[union-attr]
    divisor = {"s": 1.0, "ms": 1e-3}[axes.get_xlabel().rpartition("(")[2].rstrip(")")]
    found = dict.fromkeys(names, 0.0)
    for patch in axes.patches:
        assert isinstance(patch, Rectangle)
        found[names[round(patch.get_y() + patch.get_height() / 2)]] += patch.get_width() * divisor
    return found


def hatched_lengths(axes: Axes) -> list[float]:
    return [patch.get_width() for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_hatch()]


def whisker_ends(axes: Axes, place: int) -> list[tuple[float, float]]:
    """The ends of the whiskers of one container, along the axis that they lie on."""
    (bars,) = axes.containers[place].lines[2]  # type: ignore[attr-defined]
    segments = bars.get_segments()
    along = 0 if segments[0][0][1] == segments[0][1][1] else 1
    return [(float(segment[0][along]), float(segment[1][along])) for segment in segments]


def test_every_test_has_its_figures(figures: dict[str, Figure]) -> None:
    assert set(figures) == NAMES


def test_a_figure_knows_its_test(record: SweepRecord, plots: tuple[SweepPlot, ...]) -> None:
    tests = {test.name for test in record.plan.tests}

    assert {plot.test for plot in plots} == tests


def test_the_bars_of_the_batch_test_are_as_long_as_the_steps(record: SweepRecord, figures: dict[str, Figure]) -> None:
    (axes,) = figures["stages_by_batch"].axes

    expected = {str(size): step_s_of(work_of(cell_of(record, "batch", batch_size=size).axes)) for size in (1, 4, 8, 16)}
    assert lengths_by_row(axes) == pytest.approx(expected)
    assert axes.get_xlim()[0] == 0.0
    assert axes.get_ylabel() == "batch size"


def test_the_parts_of_a_bar_adjoin(figures: dict[str, Figure]) -> None:
    (axes,) = figures["stages_by_batch"].axes

    ends = dict.fromkeys(range(4), 0.0)
    for patch in axes.patches:
        assert isinstance(patch, Rectangle)
        row = round(patch.get_y() + patch.get_height() / 2)
        assert patch.get_x() == pytest.approx(ends[row])
        ends[row] += patch.get_width()


@pytest.mark.parametrize("name", [name for name in sorted(NAMES) if name.startswith("stages_")])
def test_every_word_beside_a_bar_is_inside_its_panel(figures: dict[str, Figure], name: str) -> None:
    figures[name].draw_without_rendering()

    for axes in figures[name].axes:
        assert all(text.get_window_extent().x1 <= axes.get_window_extent().x1 + 1.0 for text in axes.texts)


def test_a_part_of_a_bar_is_as_long_as_its_stage(record: SweepRecord, figures: dict[str, Figure]) -> None:
    (axes,) = figures["stages_by_batch"].axes
    handles = {handle.get_label(): handle for handle in figures["stages_by_batch"].legends[0].legend_handles if handle}

    colour = handles["qformer"].get_facecolor()  # type: ignore[attr-defined]
    widths = [patch.get_width() for patch in axes.patches if patch.get_facecolor() == colour]  # type: ignore[attr-defined]

    works = [work_of(cell_of(record, "batch", batch_size=size).axes) for size in (1, 4, 8, 16)]
    assert widths == pytest.approx([stage_s_of("qformer", work) for work in works])


def test_a_stage_has_one_colour_in_all_figures(figures: dict[str, Figure]) -> None:
    colours: dict[str, set[object]] = {}
    for name, figure in figures.items():
        if name.startswith("stages_"):
            for handle in figure.legends[0].legend_handles:
                assert handle is not None
                colours.setdefault(str(handle.get_label()), set()).add(handle.get_facecolor())  # type: ignore[attr-defined]

    assert {"vision.blocks", "language.blocks", "qformer"} < set(colours)
    assert all(len(found) == 1 for found in colours.values())


def test_each_data_set_has_a_panel_on_the_same_scale(record: SweepRecord, figures: dict[str, Figure]) -> None:
    panels = figures["stages_by_image_size"].axes

    assert [axes.get_title(loc="left") for axes in panels] == ["TextVQA", "ScienceQA", "COCO"]
    assert len({axes.get_xlim() for axes in panels}) == 1
    lengths = lengths_by_row(panels[1])
    assert list(lengths) == ["resized 224", "resized 336", "resized 448", "true 224", "true 336", "true 448"]
    cell = cell_of(record, "image_size", dataset="ScienceQA", image_size=448)
    assert lengths["true 448"] == pytest.approx(step_s_of(work_of(cell.axes)))


def test_the_kind_of_length_is_beside_the_rows(figures: dict[str, Figure]) -> None:
    first = figures["stages_by_length"].axes[0]

    assert row_labels(first) == ["200", "100", "50"]
    assert first.get_ylabel() == "text tokens at most"


def test_a_device_that_is_not_there_has_its_reason_and_no_bar(figures: dict[str, Figure]) -> None:
    absent, present = figures["stages_by_device"].axes

    assert (absent.get_title(loc="left"), present.get_title(loc="left")) == ("cuda", "cpu")
    assert not absent.patches
    assert texts(absent) == [f"unavailable: {NO_CUDA.text}"] * 2
    assert row_labels(present) == ["own", "fp32"]
    assert all(lengths_by_row(present).values())


def test_what_compiled_code_took_is_hatched_and_said(record: SweepRecord, figures: dict[str, Figure]) -> None:
    (axes,) = figures["stages_by_optimization"].axes

    lengths = lengths_by_row(axes)
    compiled = step_s_of(work_of(cell_of(record, "optimization", optimization="compile").axes))
    assert lengths["compile"] == pytest.approx(compiled)
    assert len(hatched_lengths(axes)) == 2
    assert min(hatched_lengths(axes)) > 0.9 * compiled
    assert sum(text.endswith(": compiled, not told by stage") for text in texts(axes)) == 2


def test_an_optimisation_without_a_result_has_its_reason_and_no_bar(figures: dict[str, Figure]) -> None:
    (axes,) = figures["stages_by_optimization"].axes

    lengths = lengths_by_row(axes)
    for name, failure in FAILURES.items():
        assert lengths[name] == 0.0
        assert f"{failure.kind.replace('_', ' ')}: {failure.text}" in texts(axes)


def test_a_cell_without_a_layer_profile_is_hatched_as_long_as_its_latency(record: SweepRecord) -> None:
    lost = cell_of(record, "batch", batch_size=4)
    assert record.analysis is not None
    kept = tuple(each for each in record.analysis.breakdowns if each.cell != lost.id)
    analysis = dataclasses.replace(record.analysis, breakdowns=kept)

    figures = sweep_figures(dataclasses.replace(of_tests(record, "batch"), analysis=analysis))

    (axes,) = figures["stages_by_batch"].axes
    assert lengths_by_row(axes)["4"] == pytest.approx(lost.metrics["latency_s"])
    assert len(hatched_lengths(axes)) == 1
    assert any(text.endswith("no layer profile") for text in texts(axes))


def test_without_breakdowns_there_are_no_stages_to_draw() -> None:
    names = set(sweep_figures(with_few_cells(small_sweep())))

    assert names == {name for name in NAMES if not name.startswith("stages_")}


def test_a_test_without_a_finished_cell_has_no_figure(record: SweepRecord) -> None:
    ids = {id_ for test in record.plan.tests if test.name == "seq_len" for id_ in test.cells}
    failure = CellFailure(kind="timeout", text="too slow")
    failed = with_cells(
        of_tests(record, "seq_len", "batch"),
        lambda cell: (
            dataclasses.replace(cell, status="failed", failure=failure, metrics=FrozenMapping({}))
            if cell.id in ids
            else cell
        ),
    )

    names = set(sweep_figures(failed))

    assert not {"stages_by_length", "quality_by_length"} & names
    assert "stages_by_batch" in names


def test_quality_has_a_panel_a_metric_and_a_line_a_data_set_and_kind(figures: dict[str, Figure]) -> None:
    wer, own = figures["quality_by_image_size"].axes

    assert (wer.get_ylabel(), own.get_ylabel()) == ("word error rate", "data set's own metric (%)")
    names = {f"{dataset}, {kind}" for dataset in ("TextVQA", "ScienceQA", "COCO") for kind in ("resized", "true size")}
    assert set(texts(wer)) == set(texts(own)) == names
    assert len(wer.containers) == len(names)
    assert [label.get_text() for label in own.get_xticklabels()] == ["224", "336", "448"]


def test_a_point_of_quality_has_its_interval(record: SweepRecord, figures: dict[str, Figure]) -> None:
    wer, own = figures["quality_by_length"].axes

    metrics = cell_of(record, "seq_len", seq_len=50, dataset="TextVQA").metrics
    heights = [float(height) for height in wer.containers[0].lines[0].get_ydata()]  # type: ignore[attr-defined]
    assert heights[0] == pytest.approx(metrics["wer"])
    assert whisker_ends(wer, 0)[0] == pytest.approx((metrics["wer_low"], metrics["wer_high"]))
    expected = (100 * float(metrics["accuracy_low"] or 0), 100 * float(metrics["accuracy_high"] or 0))
    assert whisker_ends(own, 0)[0] == pytest.approx(expected)


def test_names_at_the_ends_of_lines_do_not_overlap(figures: dict[str, Figure]) -> None:
    figure = figures["quality_by_image_size"]
    figure.draw_without_rendering()

    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in axes.texts]
        width, _ = figure.get_size_inches() * figure.dpi
        assert all(box.x1 <= width for box in boxes)
        heights = sorted(box.y0 for box in boxes)
        assert all(above - below >= 8 for below, above in itertools.pairwise(heights))


def test_random_weights_are_named_in_the_title(figures: dict[str, Figure]) -> None:
    trained = with_cells(
        of_tests(small_sweep(), "seq_len"),
        lambda cell: dataclasses.replace(cell, axes=FrozenMapping({**cell.axes, "weights": "pretrained"})),
    )

    assert "weights random" in title_of(figures["quality_by_length"])
    assert "weights random" not in title_of(sweep_figures(trained)["quality_by_length"])


def test_a_metric_that_was_not_scored_has_no_panel() -> None:
    record = of_tests(with_few_cells(small_sweep()), "seq_len", "image_size")
    without_own = sweep_figures(without_metrics(record, "accuracy"))
    unscored = sweep_figures(without_metrics(record, "accuracy", "wer"))

    assert [axes.get_ylabel() for axes in without_own["quality_by_length"].axes] == ["word error rate"]
    assert not {"quality_by_length", "quality_by_image_size"} & set(unscored)


def test_a_ratio_is_over_the_baseline_with_both_intervals(record: SweepRecord, figures: dict[str, Figure]) -> None:
    (axes,) = figures["optimization_ratios"].axes

    eager, sdpa = (
        cell_of(record, "optimization", optimization=name).metrics["latency_s"] for name in ("eager", "sdpa")
    )
    ratio = float(eager or 0) / float(sdpa or 1)
    marks = [float(each.lines[0].get_xdata()[0]) for each in axes.containers]  # type: ignore[attr-defined]
    place = next(place for place, mark in enumerate(marks) if mark == pytest.approx(ratio))
    low, high = (math.log1p(-LATENCY_WIDTH), math.log1p(LATENCY_WIDTH))
    both = math.hypot(low, high)  # of two intervals of the same widths
    assert whisker_ends(axes, place)[0] == pytest.approx((ratio * math.exp(-both), ratio * math.exp(both)))
    assert 1.0 in marks


def test_an_optimisation_without_a_result_is_listed_with_its_reason(figures: dict[str, Figure]) -> None:
    (axes,) = figures["optimization_ratios"].axes

    assert row_labels(axes) == list(OPTIMIZATIONS)
    reasons = [text for text in texts(axes) if ": " in text]
    assert reasons == [f"{failure.kind.replace('_', ' ')}: {failure.text}" for failure in FAILURES.values()]


def test_there_is_no_dot_of_energy_where_none_was_measured() -> None:
    record = of_tests(small_sweep(), "optimization")

    (axes,) = sweep_figures(without_metrics(record, "energy"))["optimization_ratios"].axes

    done = [name for name in OPTIMIZATIONS if name not in FAILURES]
    assert len(axes.containers) == len(done)
    assert "energy" not in title_of(axes.get_figure())  # type: ignore[arg-type]


def test_without_the_baseline_there_are_no_ratios() -> None:
    record = of_tests(small_sweep(), "optimization", "batch")
    baseline = cell_of(record, "optimization", optimization="sdpa").id
    failure = CellFailure(kind="oom_host", text="too large")
    failed = with_cells(
        record,
        lambda cell: dataclasses.replace(cell, status="failed", failure=failure) if cell.id == baseline else cell,
    )

    assert set(sweep_figures(failed)) == {"latency_energy_plot"}


def test_the_plot_of_latency_and_energy_is_of_the_batch_test_alone(record: SweepRecord) -> None:
    left, right = latency_energy_plot(record).axes

    energy_j = float(cell_of(record, "batch", batch_size=16).metrics["energy_j_per_sample"] or 0)
    assert [label.get_text() for label in left.get_xticklabels()] == ["1", "4", "8", "16"]
    assert texts(left) == ["latency per batch"]
    expected = ((1 - ENERGY_WIDTH) * energy_j, (1 + ENERGY_WIDTH) * energy_j)
    assert whisker_ends(right, 0)[-1] == pytest.approx(expected)


def test_the_same_sweep_gives_the_same_files(record: SweepRecord, tmp_path: Path) -> None:
    few = of_tests(with_few_cells(record), "seq_len", "optimization")  # a figure of each kind
    made = {place: sweep_figures(few) for place in "ab"}

    files = [(name, ".svg") for name in ("stages_by_length", "quality_by_length", "optimization_ratios")]
    for name, suffix in (*files, ("quality_by_length", ".png")):
        first, second = (
            save_figure(figures[name], tmp_path / f"{place}{suffix}").read_bytes() for place, figures in made.items()
        )
        assert first == second


def test_hostile_names_are_drawn_as_plain_text(record: SweepRecord, tmp_path: Path) -> None:
    assert record.analysis is not None
    breakdowns = tuple(
        dataclasses.replace(
            each, stages=tuple(dataclasses.replace(stage, stage=f"{HOSTILE}{stage.stage}") for stage in each.stages)
        )
        for each in record.analysis.breakdowns
    )

    def change(cell: CellRecord) -> CellRecord:
        names = ("dataset", "device", "dtype")
        axes = FrozenMapping[AxisValue]({**cell.axes, **{name: f"{HOSTILE}{cell.axes[name]}" for name in names}})
        failure = cell.failure and dataclasses.replace(cell.failure, text=HOSTILE)
        return dataclasses.replace(cell, axes=axes, failure=failure)

    few = of_tests(with_few_cells(record), "device", "batch", "seq_len", "optimization")
    hostile = dataclasses.replace(
        with_cells(few, change),
        plan=dataclasses.replace(few.plan, model=HOSTILE),
        analysis=dataclasses.replace(record.analysis, breakdowns=breakdowns),
    )

    figures = sweep_figures(hostile)

    assert set(figures) == {name for name in NAMES if not name.endswith("_image_size")}
    for name, figure in figures.items():
        svg = save_figure(figure, tmp_path / f"{name}.svg").read_text()  # mathtext would have raised
        assert "<script" not in svg
        assert "\u202e" not in svg
