"""The plots: what is on which axis, what the labels say, and files that do not change from run to run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from report_phases import generation_profile, hostile_profile
from report_records import NO_ENERGY, UNATTRIBUTED_S, batch_metrics, batch_sweep, cell, profile_of, two_blocks

from layerprof.errors import InputError
from layerprof.records import AxisValue, FrozenMapping, PlanRecord, SweepRecord
from layerprof.report.plots import latency_energy_plot, phase_bars, save_figure, stage_bars


def heights(axes: Axes) -> list[float]:
    return [float(height) for height in axes.lines[0].get_ydata()]  # type: ignore[arg-type, union-attr]


def title_of(figure: Figure) -> str:
    """On one line, however it was broken."""
    return " ".join(figure.get_suptitle().split())


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_energy_stands_on_an_axis_of_its_own() -> None:
    left, right = latency_energy_plot(batch_sweep(energy_j=(7.4, 2.9))).axes

    assert left.get_xlabel() == "batch size"
    assert left.get_ylabel() == "latency per batch (ms)"
    assert right.get_ylabel() == "energy per sample (J)"
    assert heights(right) == [7.4, 2.9]
    assert (texts(left), texts(right)) == (["latency per batch"], ["energy per sample"])


def test_latency_is_drawn_in_the_unit_of_its_axis() -> None:
    left = latency_energy_plot(batch_sweep()).axes[0]

    assert heights(left) == pytest.approx([1000 * float(batch_metrics(size)["latency_s"] or 0) for size in (1, 4)])


def test_latency_has_error_bars_of_its_interval() -> None:
    left, right = latency_energy_plot(batch_sweep()).axes

    bars = left.containers[0]
    assert isinstance(bars, ErrorbarContainer)
    ends = bars.lines[2][0].get_segments()[0][:, 1]
    metrics = batch_metrics(1)
    assert list(ends) == pytest.approx(
        [1000 * float(metrics[name] or 0) for name in ("latency_low_s", "latency_high_s")]
    )
    assert not right.containers[0].has_yerr  # type: ignore[attr-defined]


def test_without_energy_the_right_axis_is_latency_per_sample_and_the_title_says_why() -> None:
    figure = latency_energy_plot(batch_sweep())

    assert figure.axes[1].get_ylabel() == "latency per sample (ms)"
    assert f"no energy: {NO_ENERGY}" in title_of(figure)


def test_a_batch_size_without_a_result_is_named() -> None:
    figure = latency_energy_plot(batch_sweep())

    assert "without a result: batch size 8" in title_of(figure)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["1", "4"]


def test_another_axis_makes_another_line() -> None:
    devices = ("cpu", "cuda")
    plan = PlanRecord(name="batch", model="net", axes=(("batch_size", (1, 4)), ("device", devices)))
    cells = tuple(
        dataclasses.replace(
            cell(size, metrics=batch_metrics(size)),
            axes=type(cell(size).axes)({"batch_size": size, "device": device}),
        )
        for size in (1, 4)
        for device in devices
    )

    left = latency_energy_plot(SweepRecord(plan=plan, cells=cells)).axes[0]

    assert texts(left) == ["latency per batch (device cpu)", "latency per batch (device cuda)"]


def test_a_sweep_without_results_is_refused() -> None:
    record = batch_sweep()

    with pytest.raises(InputError, match="no finished cell with batch_size and latency_s"):
        latency_energy_plot(dataclasses.replace(record, cells=record.cells[-1:]))


def test_the_stages_and_the_rest_stack_up_to_the_step() -> None:
    profile = profile_of(two_blocks())

    axes = stage_bars(profile).axes[0]

    widths = [bar.get_width() for bar in axes.patches]  # type: ignore[attr-defined]
    assert profile.step_s is not None
    assert len(widths) == len(profile.stages) + 1
    assert sum(widths) == pytest.approx(1000 * profile.step_s.median)
    assert widths[-1] == pytest.approx(1000 * UNATTRIBUTED_S)


def test_stages_without_time_are_refused() -> None:
    with pytest.raises(InputError, match="no time of its stages"):
        stage_bars(profile_of(two_blocks(), has_time=False))


def test_the_stages_stack_up_to_each_phase() -> None:
    profile = generation_profile()

    axes = phase_bars(profile).axes[0]

    names = [label.get_text() for label in axes.get_yticklabels()]
    ends = [0.0] * len(names)
    for bar in axes.patches:
        ends[round(bar.get_y() + bar.get_height() / 2)] += bar.get_width()  # type: ignore[attr-defined]
    assert names == [phase.name for phase in profile.phases]
    assert ends == pytest.approx([1000 * phase.total_s.median for phase in profile.phases if phase.total_s])


def test_a_hostile_name_of_a_phase_is_drawn_as_plain_text(tmp_path: Path) -> None:
    figure = phase_bars(hostile_profile())

    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]

    assert not any("\u202e" in name for name in names)
    assert save_figure(figure, tmp_path / "plot.svg").stat().st_size > 0  # mathtext would have raised


def test_a_step_of_one_phase_has_no_bars_of_phases() -> None:
    with pytest.raises(InputError, match="no times of several phases"):
        phase_bars(profile_of(two_blocks()))


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_the_same_plot_gives_the_same_file(tmp_path: Path, suffix: str, start: bytes) -> None:
    first, second = (
        save_figure(latency_energy_plot(batch_sweep()), tmp_path / f"{name}{suffix}").read_bytes() for name in "ab"
    )

    assert first.startswith(start)
    assert first == second


def test_a_figure_of_another_kind_is_refused(tmp_path: Path) -> None:
    figure = stage_bars(profile_of(two_blocks()))

    with pytest.raises(InputError, match=r"use \.png or \.svg"):
        save_figure(figure, tmp_path / "plot.pdf")


def test_of_many_lines_only_the_first_are_drawn_and_the_title_says_so() -> None:
    record = batch_sweep()
    seeds = tuple(range(20))
    plan = dataclasses.replace(record.plan, axes=(*record.plan.axes, ("seed", seeds)))
    cells = tuple(
        dataclasses.replace(one, axes=FrozenMapping[AxisValue]({**one.axes, "seed": seed}))
        for one in record.cells
        for seed in seeds
    )

    figure = latency_energy_plot(dataclasses.replace(record, plan=plan, cells=cells))

    assert len(figure.axes[0].containers) == 12
    title = title_of(figure)
    assert "the first 12 of 20 lines; batch.csv has all" in title
    assert "without a result: batch size 8, 8" in title
    assert title.endswith("and 8 more")
