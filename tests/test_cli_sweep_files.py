"""The files that a sweep of several tests leaves in its folder: tables and figures, whole or not at all."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from reference_sweeps import reference_sweep, small_sweep

from layerprof import analysis
from layerprof.cli.base import show_sweep, write_sweep_files
from layerprof.cli.base.files import FIGURES
from layerprof.errors import InputError
from layerprof.records import SweepRecord
from layerprof.report import plots
from layerprof.report.plots import SweepPlot, sweep_figures, sweep_plots

NEW = b"new"
TABLES = {"reference.md", "reference.csv", "reference.html"}


@pytest.fixture(scope="module")
def drawn() -> Callable[[SweepRecord], tuple[SweepPlot, ...]]:
    """The figures of a sweep, made once for all tests; nothing here changes one."""
    return functools.cache(sweep_plots)


@pytest.fixture(autouse=True)
def _few_bytes(drawn: Callable[[SweepRecord], tuple[SweepPlot, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are saved as a few bytes each: what is in such a file is tested where it is made."""

    def save_figure(figure: object, path: Path) -> Path:
        path.write_bytes(NEW)
        return path

    monkeypatch.setattr(plots, "sweep_plots", drawn)
    monkeypatch.setattr(plots, "save_figure", save_figure)
    monkeypatch.setattr(plots, "figure_png", lambda figure: NEW)


def test_tables_and_all_figures_are_written_from_one_analysis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record, out = reference_sweep(tmp_path / "sweep"), tmp_path / "out"
    counted: list[SweepRecord] = []
    analyse = analysis.analysed

    def counting(given: SweepRecord) -> SweepRecord:
        counted.append(given)
        return analyse(given)

    monkeypatch.setattr(analysis, "analysed", counting)

    show_sweep(record, out)

    names = {f"{name}{suffix}" for name in sweep_figures(analyse(record)) for suffix in (".png", ".svg")}
    assert {path.name for path in out.iterdir()} == TABLES | names
    assert len(counted) == 1
    output = capsys.readouterr().out
    assert all(name in output for name in names)
    assert "stages_by_batch.png" in names


def test_all_figures_that_a_sweep_may_have_are_known(tmp_path: Path) -> None:
    record = analysis.analysed(reference_sweep(tmp_path))

    assert sorted(sweep_figures(record)) == sorted(FIGURES)


def test_old_figures_of_ours_are_removed_and_nothing_else(tmp_path: Path) -> None:
    old = {f"{name}{suffix}" for name in FIGURES for suffix in (".png", ".svg")}
    others = {"holiday.png", "stages_by_day.svg", "stages_by_batch.pdf", "notes.txt"}
    for name in old | others:
        (tmp_path / name).write_bytes(b"old")

    written = {path.name for path in write_sweep_files(small_sweep(), tmp_path)}

    figures = {f"{name}{suffix}" for name in sweep_figures(small_sweep()) for suffix in (".png", ".svg")}
    assert {path.name for path in tmp_path.iterdir()} == TABLES | figures | others == written | others
    assert figures < old
    assert all((tmp_path / name).read_bytes() == NEW for name in figures)
    assert all((tmp_path / name).read_bytes() == b"old" for name in others)


def test_what_is_no_file_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "stages_by_batch.png").symlink_to(tmp_path / "mine.png")
    (tmp_path / "mine.png").write_bytes(b"mine")
    (tmp_path / "stages_by_device.svg").mkdir()

    write_sweep_files(small_sweep(), tmp_path)

    assert (tmp_path / "stages_by_batch.png").is_symlink()
    assert (tmp_path / "mine.png").read_bytes() == b"mine"
    assert (tmp_path / "stages_by_device.svg").is_dir()


def test_old_figures_stay_where_the_new_ones_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def save_figure(figure: object, path: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plots, "save_figure", save_figure)
    (tmp_path / "stages_by_batch.png").write_bytes(b"old")

    with pytest.raises(InputError, match="cannot write the plots"):
        write_sweep_files(small_sweep(), tmp_path)

    assert (tmp_path / "stages_by_batch.png").is_file()


def test_a_figure_goes_where_a_link_of_its_name_leads(tmp_path: Path) -> None:
    out, far = tmp_path / "out", tmp_path / "far.png"
    out.mkdir()
    far.write_bytes(b"old")
    (out / "latency_energy_plot.png").symlink_to(far)

    write_sweep_files(small_sweep(), out)

    assert (out / "latency_energy_plot.png").is_symlink()
    assert far.read_bytes() == NEW


def test_where_a_figure_cannot_be_written_none_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[Path] = []

    def save_figure(figure: object, path: Path) -> Path:
        if len(saved) == 3:
            raise OSError(28, "No space left on device")
        path.write_bytes(b"x")
        saved.append(path)
        return path

    monkeypatch.setattr(plots, "save_figure", save_figure)

    with pytest.raises(InputError, match=r"cannot write the plots to .*: No space left on device"):
        write_sweep_files(small_sweep(), tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == TABLES
