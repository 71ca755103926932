"""What an export removes of the one before it in the same logdir, and what it never touches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from boards_sweeps import bare_making, runs_in, sweep_of
from report_records import batch_sweep, profile_of, two_blocks

from layerprof.boards import export_tensorboard
from layerprof.boards.sweeps import export_sweep
from layerprof.errors import InputError
from layerprof.records import FrozenMapping, PlanTest, SweepRecord

LIST = Path("report") / ".layerprof-export.json"


@pytest.fixture(autouse=True)
def _no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are values of the report's run, and no folder of their own: nothing here depends on them."""
    monkeypatch.setattr("layerprof.report.plots.sweep_plots", lambda record: ())


def exported(record: SweepRecord, logdir: Path) -> None:
    export_sweep(record, logdir, bare_making())


def sweep_of_tests(names: Sequence[str]) -> SweepRecord:
    """Two tests of two cells each."""
    record = sweep_of([{"a": number} for number in range(2 * len(names))])
    ids = [cell.id for cell in record.cells]
    tests = tuple(
        PlanTest(
            name=name, axes=(("a", (2 * at, 2 * at + 1)),), fixed=FrozenMapping(), cells=tuple(ids[2 * at : 2 * at + 2])
        )
        for at, name in enumerate(names)
    )
    return replace(record, plan=replace(record.plan, axes=(), tests=tests))


def entries(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_symlink()}


def test_a_cell_that_left_the_plan_goes_and_a_profile_beside_it_stays(tmp_path: Path) -> None:
    record = batch_sweep()
    export_tensorboard(profile_of(two_blocks()), tmp_path / "own")
    export_tensorboard(record, tmp_path)
    (tmp_path / "batch_size=8" / "notes.txt").write_text("mine")

    export_tensorboard(replace(record, cells=record.cells[:1]), tmp_path)

    folders = {path.name for path in tmp_path.iterdir()}
    assert len(folders) == 4
    assert {"own", "report", "batch_size=8"} < folders
    assert entries(tmp_path / "batch_size=8") == {"notes.txt"}


def test_another_sweep_in_a_subfolder_stays(tmp_path: Path) -> None:
    exported(sweep_of([{"b": 1}, {"b": 2}]), tmp_path / "other")
    before = entries(tmp_path)

    exported(sweep_of([{"a": 1}, {"a": 2}]), tmp_path)

    assert before < entries(tmp_path)
    assert runs_in(tmp_path / "other") == {"b=1", "b=2", "report"}


@pytest.mark.parametrize("name", ["batch_size=4", "linked"])
def test_another_sweep_behind_a_link_stays(tmp_path: Path, name: str) -> None:
    logdir, elsewhere = tmp_path / "logs", tmp_path / "elsewhere"
    exported(batch_sweep(), elsewhere)
    exported(batch_sweep(), logdir)
    before = entries(elsewhere)
    for path in (logdir / "batch_size=4").iterdir():
        path.unlink()
    (logdir / "batch_size=4").rmdir()
    (logdir / name).symlink_to(elsewhere / "batch_size=4" if name == "batch_size=4" else elsewhere)

    record = batch_sweep()
    exported(replace(record, cells=record.cells[:1]), logdir)

    assert entries(elsewhere) == before


def test_a_run_is_not_written_through_a_link(tmp_path: Path) -> None:
    logdir, elsewhere = tmp_path / "logs", tmp_path / "elsewhere"
    exported(batch_sweep(), elsewhere)
    before = (elsewhere / "batch_size=4" / "events.out.tfevents.0000000000.layerprof").read_bytes()
    logdir.mkdir()
    (logdir / "batch_size=4").symlink_to(elsewhere / "batch_size=4")

    with pytest.raises(InputError, match=r"through the link .*batch_size=4; remove it or give another logdir"):
        exported(sweep_of([{"batch_size": size} for size in (1, 4)]), logdir)

    assert (elsewhere / "batch_size=4" / "events.out.tfevents.0000000000.layerprof").read_bytes() == before
    assert runs_in(logdir) == set()


def test_a_logdir_may_itself_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "logs").symlink_to(tmp_path / "real")
    record = batch_sweep()
    exported(record, tmp_path / "logs")

    exported(replace(record, cells=record.cells[:1]), tmp_path / "logs")

    assert runs_in(tmp_path / "real") == {"batch_size=1", "report"}


@pytest.mark.parametrize("name", ["../other/a=1", "/a=1", "..", "own", "own/../own", "x/y/a=1", "", 7, None])
def test_a_report_that_was_tampered_with_removes_no_other_run(tmp_path: Path, name: object) -> None:
    logdir, record = tmp_path / "logs", sweep_of([{"a": 1}, {"a": 2}])
    exported(record, tmp_path / "other")
    export_tensorboard(profile_of(two_blocks()), logdir / "own")
    exported(record, logdir / "x" / "y")
    exported(record, logdir)
    before = entries(tmp_path)
    content = json.loads((logdir / LIST).read_text())
    (logdir / LIST).write_text(json.dumps({**content, "runs": [*content["runs"], name]}))

    exported(record, logdir)

    assert entries(tmp_path) == before


def test_no_empty_folder_of_a_test_stays(tmp_path: Path) -> None:
    exported(sweep_of_tests(["first", "second"]), tmp_path)

    exported(sweep_of_tests(["first"]), tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {"first", "report"}
    assert runs_in(tmp_path) == {"first/a=0", "first/a=1", "report"}


def test_a_profile_takes_the_place_of_a_sweep(tmp_path: Path) -> None:
    exported(sweep_of_tests(["first", "second"]), tmp_path)

    files = export_tensorboard(profile_of(two_blocks()), tmp_path)

    assert entries(tmp_path) == {*(path.name for path in files), LIST.name}


def test_a_cell_takes_the_place_of_a_sweep(tmp_path: Path) -> None:
    exported(batch_sweep(), tmp_path)

    export_tensorboard(batch_sweep().cells[0], tmp_path)

    assert runs_in(tmp_path) == {"."}
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_sweep_takes_the_place_of_a_profile(tmp_path: Path) -> None:
    export_tensorboard(profile_of(two_blocks()), tmp_path)

    exported(batch_sweep(), tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {"batch_size=1", "batch_size=4", "batch_size=8", "report"}


def test_a_sweep_of_which_nothing_ran_has_its_report(tmp_path: Path) -> None:
    exported(batch_sweep(), tmp_path)

    exported(sweep_of([{"a": 1}], status="pending", has_metrics=False), tmp_path)

    assert runs_in(tmp_path) == {"report"}


@pytest.mark.parametrize("name", ["report", "Report"])
def test_a_test_named_report_has_a_folder_beside_the_report(tmp_path: Path, name: str) -> None:
    exported(sweep_of_tests([name]), tmp_path)

    (folder,) = {run.split("/")[0] for run in runs_in(tmp_path)} - {"report"}
    assert folder.startswith(f"{name}~")
    assert runs_in(tmp_path / folder) == {"a=0", "a=1"}
