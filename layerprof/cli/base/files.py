"""The files that a command leaves in a folder: tables, plots that are never those of another run, TensorBoard's."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, cast

from layerprof.errors import InputError

if TYPE_CHECKING:
    from layerprof.records import Profile, SweepRecord

BOARDS = "tensorboard"  # the folder of TensorBoard's files, in that of a profile or a sweep

FIGURES = (  # the names of all figures that a sweep may have, as they are known without matplotlib
    *("latency_energy_plot", "optimization_ratios", "quality_by_image_size", "quality_by_length", "stages_by_batch"),
    *("stages_by_device", "stages_by_image_size", "stages_by_length", "stages_by_optimization"),
)

_TABLE_SUFFIXES, _PLOT_SUFFIXES = (".md", ".csv", ".html"), (".png", ".svg")
_BATCH_AXIS = "batch_size"
_MOST_LINES = 48  # beyond it a plot over batch sizes tells nothing, and costs a second


def write_sweep_files(record: SweepRecord, folder: Path) -> list[Path]:
    """The sweep's tables as Markdown, CSV and HTML, and its plots where there is something to plot.

    Plots of an earlier run that this one has not are removed.

    Raises:
        InputError: when the folder cannot be written.
    """
    from layerprof.output import save
    from layerprof.report.base import with_analysis

    record = cast("SweepRecord", with_analysis(record))  # once for all files
    tables = [folder / f"{record.plan.name}{suffix}" for suffix in _TABLE_SUFFIXES]
    for path in tables:
        save(record, path)
    plots = _write_plots(record, folder)
    _remove_stale(folder, kept={path.name for path in plots})
    return [*tables, *plots]


def write_boards(record: Profile | SweepRecord, folder: Path, *, is_progress_shown: bool = False) -> Path:
    """The record as runs of TensorBoard, in a folder of their own in the given one; gives that folder.

    Raises:
        InputError: when the folder cannot be written.
    """
    from layerprof.boards import export_tensorboard
    from layerprof.records import Profile

    boards = folder / BOARDS
    place = boards / "profile" if isinstance(record, Profile) else boards
    export_tensorboard(record, place, progress=is_progress_shown)
    return boards


def _write_plots(record: SweepRecord, folder: Path) -> list[Path]:
    """All plots or none of them."""
    if not _has_plots(record):
        return []
    from layerprof.report.plots import save_figure, sweep_figures
    from layerprof.store.files import write_files

    contents: dict[Path, bytes] = {}
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".plots-") as temporary:
            for name, figure in sweep_figures(record).items():
                for suffix in _PLOT_SUFFIXES:
                    made = save_figure(figure, Path(temporary) / f"{name}{suffix}")
                    contents[folder / made.name] = made.read_bytes()
    except OSError as error:
        raise InputError(f"cannot write the plots to {folder}: {error.strerror or error}") from error
    write_files(contents)
    return list(contents)


def _has_plots(record: SweepRecord) -> bool:
    """Whether there may be some; found out without matplotlib, which takes half a second to load."""
    axes = dict(record.plan.axes)
    lines = math.prod(len(values) for name, values in axes.items() if name != _BATCH_AXIS)
    is_drawn = bool(record.plan.tests) or (_BATCH_AXIS in axes and lines <= _MOST_LINES)
    return is_drawn and any(cell.status == "done" for cell in record.cells)


def _remove_stale(folder: Path, *, kept: Collection[str]) -> None:
    """Removes the files of figures of ours that are not among those kept, and nothing that is no file."""
    names = {f"{name}{suffix}" for name in FIGURES for suffix in _PLOT_SUFFIXES} - set(kept)
    try:
        for path in (folder / name for name in sorted(names)):
            if path.is_file() and not path.is_symlink():  # a link is somebody's own
                path.unlink()
    except OSError as error:
        raise InputError(f"cannot remove an old plot from {folder}: {error.strerror or error}") from error
