"""Plots as matplotlib figures, by its object interface alone: no window, no global figure, no global setting changed.

profile ─▶ stage_bars, phase_bars
sweep   ─▶ latency_energy_plot, and of a plan of several tests `sweep_plots`, each with the test that it is of
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from matplotlib.figure import Figure

from layerprof.records import SweepRecord
from layerprof.report.plots.base import Drawing, PlotTest, plot_test
from layerprof.report.plots.batch import has_latency_energy, latency_energy_plot, latency_energy_title
from layerprof.report.plots.profiles import phase_bars, stage_bars
from layerprof.report.plots.quality import quality_figure
from layerprof.report.plots.ratios import ratios_figure
from layerprof.report.plots.saving import figure_png, save_figure
from layerprof.report.plots.stages import stages_figure

_LATENCY_ENERGY = "latency_energy_plot"
_SUBJECTS = {  # of the plan's tests, by the test's name
    "device": ("device", "device and number format"),
    "batch": ("batch", "batch size"),
    "image_size": ("image_size", "image size"),
    "seq_len": ("length", "text length"),
    "optimization": ("optimization", "optimisation"),
}
_OF_QUALITY = ("image_size", "seq_len")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlot:
    """A figure of a sweep.

    Attributes:
        name: of its file, without a suffix.
        test: of the plan that it is of; "" for a plan without tests.
        title: what it shows, in words of ours alone.
        figure: to be saved.
    """

    name: str
    test: str
    title: str
    figure: Figure


def sweep_figures(record: SweepRecord) -> dict[str, Figure]:
    """The sweep's figures by the names of their files; none for a test that has no finished cell."""
    return {plot.name: plot.figure for plot in sweep_plots(record)}


def sweep_plots(record: SweepRecord) -> tuple[SweepPlot, ...]:
    """The sweep's figures in the order of its tests, each only where it has something to show.

    Args:
        record: the sweep; the bars of the stages need its analysis.
    """
    return (*_latency_energy(record), *(plot for name in _SUBJECTS for plot in _plots_of(record, name)))


def _latency_energy(record: SweepRecord) -> Iterator[SweepPlot]:
    if has_latency_energy(record):
        yield SweepPlot(
            name=_LATENCY_ENERGY,
            test="batch" if record.plan.tests else "",
            title=latency_energy_title(record),
            figure=latency_energy_plot(record),
        )


def _plots_of(record: SweepRecord, name: str) -> Iterator[SweepPlot]:
    test = plot_test(record, name)
    if test is None:
        return
    for file_name, draw in _kinds(name):
        drawing = draw(record, test)
        if drawing is not None:
            yield SweepPlot(name=file_name, test=name, title=drawing.title, figure=drawing.figure)


def _kinds(name: str) -> Iterator[tuple[str, Callable[[SweepRecord, PlotTest], Drawing | None]]]:
    short, subject = _SUBJECTS[name]
    if name == "optimization":
        yield "optimization_ratios", ratios_figure
    if name in _OF_QUALITY:
        yield f"quality_by_{short}", lambda record, test: quality_figure(record, test, subject=subject)
    yield f"stages_by_{short}", lambda record, test: stages_figure(record, test, subject=subject)


__all__ = [
    "SweepPlot",
    "figure_png",
    "latency_energy_plot",
    "phase_bars",
    "save_figure",
    "stage_bars",
    "sweep_figures",
    "sweep_plots",
]
