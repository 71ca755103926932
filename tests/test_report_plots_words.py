"""What the figures of a sweep say of themselves in the room there is: of which time they are, how it was measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from reference_sweeps import cell_of, reference_sweep
from sweep_parts import of_tests, with_cells, with_few_cells

from layerprof.analysis import analysed
from layerprof.records import AxisValue, Breakdown, CellRecord, FrozenMapping, StageTime, SweepRecord
from layerprof.report.plots import latency_energy_plot, sweep_figures, sweep_plots
from layerprof.report.plots.base import fitted, width_of, wrapped

KERNELS_SHARE = 0.25  # of the host's time, in the made-up times of kernels
LONG = "A WIDE NAME, LONGER THAN ANY TITLE HAS ROOM FOR, " * 6


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> SweepRecord:
    return analysed(reference_sweep(tmp_path_factory.mktemp("sweep")))


def title_of(figure: Figure) -> str:
    """On one line, however it was broken."""
    return " ".join(figure.get_suptitle().split())


def titles_of(record: SweepRecord) -> Mapping[str, str]:
    return {plot.name: plot.title for plot in sweep_plots(record)}


def with_stages(record: SweepRecord, change: Callable[[Breakdown, StageTime], StageTime]) -> SweepRecord:
    assert record.analysis is not None
    breakdowns = tuple(
        dataclasses.replace(each, stages=tuple(change(each, stage) for stage in each.stages))
        for each in record.analysis.breakdowns
    )
    return dataclasses.replace(record, analysis=dataclasses.replace(record.analysis, breakdowns=breakdowns))


def with_kernels(_: Breakdown, stage: StageTime) -> StageTime:
    return dataclasses.replace(stage, device_s=None if stage.self_s is None else KERNELS_SHARE * stage.self_s)


def with_axes(record: SweepRecord, **axes: AxisValue) -> SweepRecord:
    return with_cells(
        record, lambda cell: dataclasses.replace(cell, axes=FrozenMapping[AxisValue]({**cell.axes, **axes}))
    )


def of_runs(record: SweepRecord, runs_done: int) -> SweepRecord:
    return with_cells(record, lambda cell: dataclasses.replace(cell, runs_done=runs_done))


def in_seconds(axes: Axes) -> float:
    """What all parts of all bars add up to."""
    divisor = {"s": 1.0, "ms": 1e-3}[axes.get_xlabel().rpartition("(")[2].rstrip(")")]
    return divisor * sum(patch.get_width() for patch in axes.patches if isinstance(patch, Rectangle))


def test_bars_are_of_kernels_where_every_stage_has_their_time(record: SweepRecord) -> None:
    bare = of_tests(record, "batch")
    (host,) = sweep_figures(bare)["stages_by_batch"].axes
    figure = sweep_figures(with_stages(bare, with_kernels))["stages_by_batch"]

    (axes,) = figure.axes
    assert in_seconds(axes) == pytest.approx(KERNELS_SHARE * in_seconds(host))
    assert axes.get_xlabel().startswith("kernel time of a step (")
    assert "a step's kernel time in each stage" in title_of(figure)
    assert host.get_xlabel().startswith("time of a step (")


def test_bars_are_of_the_host_where_one_stage_has_no_time_of_its_kernels(record: SweepRecord) -> None:
    lost = cell_of(record, "batch", batch_size=4).id

    def change(breakdown: Breakdown, stage: StageTime) -> StageTime:
        is_lost = breakdown.cell == lost and stage.stage == "qformer"
        return stage if is_lost else with_kernels(breakdown, stage)

    bare = of_tests(record, "batch")
    of_gpu = with_axes(with_stages(bare, change), device="cuda")
    (host,), (axes,) = (sweep_figures(each)["stages_by_batch"].axes for each in (bare, of_gpu))

    assert axes.get_xlabel().startswith("host time of a step (")
    assert in_seconds(axes) == pytest.approx(in_seconds(host))


def test_a_stage_that_only_its_kernels_make_large_has_a_colour_of_its_own(record: SweepRecord) -> None:
    def change(_: Breakdown, stage: StageTime) -> StageTime:
        is_small = stage.stage == "projection"
        return dataclasses.replace(stage, self_s=1e-9 if is_small else stage.self_s, device_s=1.0 if is_small else 1e-9)

    figure = sweep_figures(with_stages(of_tests(record, "batch"), change))["stages_by_batch"]

    labels = [handle.get_label() for handle in figure.legends[0].legend_handles if handle]
    assert "projection" in labels


def test_each_device_says_which_time_its_bars_are_of(record: SweepRecord) -> None:
    gpu = cell_of(record, "device", device="cuda", dtype="fp16")
    cpu = cell_of(record, "device", device="cpu", dtype=None)
    assert record.analysis is not None
    found = next(each for each in record.analysis.breakdowns if each.cell == cpu.id)
    stages = tuple(with_kernels(found, stage) for stage in found.stages)
    breakdowns = (*record.analysis.breakdowns, Breakdown(cell=gpu.id, step_s=found.step_s, stages=stages))
    with_gpu = with_cells(
        dataclasses.replace(
            of_tests(record, "device"), analysis=dataclasses.replace(record.analysis, breakdowns=breakdowns)
        ),
        lambda cell: dataclasses.replace(cell, status="done", failure=None) if cell.id == gpu.id else cell,
    )

    figure = sweep_figures(with_gpu)["stages_by_device"]

    assert [axes.get_xlabel().partition(" of")[0] for axes in figure.axes] == ["kernel time", "time"]
    assert "a step's time in each stage" in title_of(figure)


def test_a_device_that_is_not_there_takes_the_room_of_its_reasons_alone(record: SweepRecord) -> None:
    figure = sweep_figures(of_tests(record, "device"))["stages_by_device"]
    figure.draw_without_rendering()

    absent, present = (axes.get_window_extent().height for axes in figure.axes)
    assert absent < present / 2
    lines = sorted(text.get_window_extent().y0 for text in figure.axes[0].texts)
    assert lines[1] - lines[0] > figure.axes[0].texts[0].get_window_extent().height


def test_bars_say_that_they_are_of_instrumented_steps(record: SweepRecord) -> None:
    for name, figure in sweep_figures(with_few_cells(record)).items():
        assert ("steps with the instruments on" in title_of(figure)) is name.startswith("stages_")


def test_every_figure_says_that_it_is_quick(record: SweepRecord) -> None:
    some = of_tests(with_few_cells(record), "batch", "seq_len", "optimization")
    quick = of_runs(with_axes(some, quick=True), 1)

    assert all("quick: one process, short windows" in title_of(figure) for figure in sweep_figures(quick).values())
    assert not any("quick" in title_of(figure) for figure in sweep_figures(some).values())


def test_every_figure_says_that_its_numbers_are_of_one_process(record: SweepRecord) -> None:
    some = of_tests(with_few_cells(record), "batch", "seq_len", "optimization")
    single, several = (sweep_figures(of_runs(some, runs)).values() for runs in (1, 3))

    assert all("one process a row" in title_of(figure) for figure in single)
    assert not any("process" in title_of(figure) for figure in several)


def test_rows_of_one_process_among_others_are_told(record: SweepRecord) -> None:
    lone = cell_of(record, "batch", batch_size=4).id
    mixed = with_cells(of_runs(record, 3), lambda cell: dataclasses.replace(cell, runs_done=1 + 2 * (cell.id != lone)))

    assert "some rows of one process" in title_of(latency_energy_plot(mixed))


@pytest.mark.parametrize("is_long", [False, True])
def test_no_title_is_wider_than_its_figure(record: SweepRecord, is_long: bool) -> None:
    def change(cell: CellRecord) -> CellRecord:
        notes = tuple(dataclasses.replace(note, text=LONG) for note in cell.notes)
        axes = FrozenMapping[AxisValue]({**cell.axes, "dataset": f"{cell.axes['dataset']} {LONG}"})
        return dataclasses.replace(cell, axes=axes, notes=notes)

    few = with_few_cells(record)
    plan = dataclasses.replace(few.plan, model=LONG)
    shown = dataclasses.replace(with_cells(few, change), plan=plan) if is_long else few

    for figure in sweep_figures(shown).values():
        figure.draw_without_rendering()
        width, height = figure.get_size_inches() * figure.dpi
        assert figure._suptitle is not None  # type: ignore[attr-defined]  # matplotlib has no public way to the artist
        box = figure._suptitle.get_window_extent()  # type: ignore[attr-defined]
        assert 0 <= box.x0 < box.x1 <= width
        assert 0 <= box.y0 < box.y1 <= height
        assert all(axes.get_window_extent().y1 <= box.y0 for axes in figure.axes)


def test_a_long_name_of_a_panel_stays_in_its_panel(record: SweepRecord) -> None:
    shown = with_cells(
        record,
        lambda cell: dataclasses.replace(
            cell, axes=FrozenMapping[AxisValue]({**cell.axes, "dataset": f"{cell.axes['dataset']} {LONG}"})
        ),
    )

    panels = sweep_figures(of_tests(shown, "image_size"))["stages_by_image_size"].axes

    names = [axes.get_title(loc="left") for axes in panels]
    assert all(name.endswith("…") for name in names)
    assert len({name.split()[0] for name in names}) == 3
    figure_points = 72 * 8.0
    assert all(width_of(name, 9.0) < figure_points / 3 for name in names)


def test_what_the_rows_are_values_of_is_no_longer_than_the_figure_is_high(record: SweepRecord) -> None:
    lengths = with_cells(
        of_tests(record, "seq_len"),
        lambda cell: dataclasses.replace(
            cell,
            axes=FrozenMapping[AxisValue]({**cell.axes, "seq_len": None, "total_tokens": cell.axes["seq_len"]}),
        ),
    )

    figure = sweep_figures(lengths)["stages_by_length"]
    figure.draw_without_rendering()

    label = figure.axes[0].yaxis.label
    assert " ".join(label.get_text().split()) == "tokens at most, those of the picture included"
    title = figure._suptitle.get_window_extent()  # type: ignore[attr-defined]
    assert figure.legends[0].get_window_extent().y1 <= label.get_window_extent().y0
    assert label.get_window_extent().y1 <= title.y0


def test_a_title_names_what_is_in_its_picture(record: SweepRecord) -> None:
    def without(*starts: str) -> SweepRecord:
        def change(cell: CellRecord) -> CellRecord:
            kept = {name: value for name, value in cell.metrics.items() if not name.startswith(starts)}
            return dataclasses.replace(cell, metrics=FrozenMapping(kept))

        return with_cells(few, change)

    few = with_few_cells(record)
    tests = ("batch", "seq_len", "optimization")
    whole, bare = (titles_of(of_tests(each, *tests)) for each in (few, without("energy", "accuracy")))

    assert whole["latency_energy_plot"] == "Latency per batch and energy per sample against the batch size"
    assert bare["latency_energy_plot"] == "Latency per batch and latency per sample against the batch size"
    assert whole["optimization_ratios"] == "Latency and energy per sample of each optimisation over the baseline's"
    assert bare["optimization_ratios"] == "Latency of each optimisation over the baseline's"
    assert whole["quality_by_length"] == "Word error rate and the data sets' own metric by text length"
    assert bare["quality_by_length"] == "Word error rate by text length"


def test_a_title_of_bars_names_their_time(record: SweepRecord) -> None:
    bare = of_tests(record, "batch")
    host, kernels = (titles_of(each)["stages_by_batch"] for each in (bare, with_stages(bare, with_kernels)))

    assert host == "Each step's time by stage and batch size"
    assert kernels == "Each step's kernel time by stage and batch size"


def test_a_remark_is_broken_between_words_and_cut_where_no_line_is_left() -> None:
    text, size = "one two three four five seven", 10.0
    room = width_of("one two three", size)

    assert wrapped(text, size, width_of(text, size)) == [text]
    first, second = wrapped(text, size, room)
    assert first == "one two three"
    assert second.startswith("four five")
    assert second.endswith("…")
    assert width_of(second, size) <= room


def test_a_word_that_is_too_long_is_cut_to_the_room() -> None:
    (line,) = wrapped("x" * 500, 10.0, 100.0)

    assert line.endswith("x…")
    assert width_of(line, 10.0) <= 100.0 < width_of(f"x{line}", 10.0)
    assert fitted("short", 10.0, 100.0) == "short"
