"""What an export leaves in the folders, what it replaces there, and what it leaves alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from boards_reading import read
from boards_sweeps import bare_making, runs_in, with_profile
from report_records import batch_sweep, flop_report, profile_of, two_blocks

from layerprof.boards import export_tensorboard
from layerprof.boards.base import EVENT_FILE, Run, write_run
from layerprof.boards.profiles import export_profile
from layerprof.boards.sweeps import export_sweep
from layerprof.errors import InputError
from layerprof.records import FrozenMapping, Timeline

LIST = ".layerprof-export.json"


def run_of(folder: Path, *traces: str) -> Run:
    return Run(folder=folder, kind="profile", events=b"events", traces=dict.fromkeys(traces, b"trace"))


def interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_an_export_returns_the_files_that_it_wrote(tmp_path: Path) -> None:
    files = export_tensorboard(batch_sweep(), tmp_path)

    assert {path.relative_to(tmp_path).as_posix() for path in files} == {
        f"{run}/{EVENT_FILE}" for run in ("batch_size=1", "batch_size=4", "batch_size=8", "report")
    }


def test_a_second_export_takes_the_place_of_the_first(tmp_path: Path) -> None:
    export_tensorboard(profile_of(two_blocks()), tmp_path)
    before = names_in(tmp_path)
    slower = replace(profile_of(two_blocks()), latency_s=profile_of(two_blocks()).step_s)

    export_tensorboard(slower, tmp_path)

    assert names_in(tmp_path) == before
    assert len(read(tmp_path).scalars["step/latency_s"]) == 1


def test_a_trace_of_an_earlier_export_goes_and_files_of_others_stay(tmp_path: Path) -> None:
    write_run(run_of(tmp_path, "net.1.pt.trace.json.gz", "net.1.trace.json.gz"))
    others = ("other.1.pt.trace.json.gz", "events.out.tfevents.123.host", "notes.txt")
    for name in others:
        (tmp_path / name).write_text("of another")

    write_run(run_of(tmp_path, "net.2.pt.trace.json.gz"))

    assert names_in(tmp_path) == {EVENT_FILE, LIST, "net.2.pt.trace.json.gz", *others}
    assert json.loads((tmp_path / LIST).read_text())["files"] == [EVENT_FILE, "net.2.pt.trace.json.gz"]


@pytest.mark.parametrize("name", ["../secret.trace.json.gz", "/etc/passwd", "notes.txt", "", 7, None])
def test_a_list_that_was_tampered_with_removes_nothing_else(tmp_path: Path, name: object) -> None:
    folder = tmp_path / "logs"
    write_run(run_of(folder))
    (tmp_path / "secret.trace.json.gz").write_text("mine")
    (folder / "notes.txt").write_text("mine")
    (folder / LIST).write_text(json.dumps({"format": "layerprof-export", "kind": "cell", "files": [name]}))

    write_run(run_of(folder))

    assert names_in(tmp_path) == {"secret.trace.json.gz", "logs/notes.txt", f"logs/{LIST}", f"logs/{EVENT_FILE}"}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "other"}', "[" * 100_000])
def test_a_damaged_list_is_written_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / LIST).write_text(content)

    write_run(run_of(tmp_path))

    assert json.loads((tmp_path / LIST).read_text())["files"] == [EVENT_FILE]


def test_an_interruption_keeps_the_cells_that_were_written(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        export_sweep(
            batch_sweep(), tmp_path, bare_making(show=lambda what, done, total: interrupted() if done == 2 else None)
        )

    assert runs_in(tmp_path) == {"batch_size=1", "batch_size=4"}
    assert "metrics/latency_s" in read(tmp_path / "batch_size=4").scalars


def test_an_interruption_amid_a_cell_leaves_nothing_of_its_run(tmp_path: Path) -> None:
    record, logdir = with_profile(batch_sweep(), profile_of(two_blocks()), tmp_path / "runs"), tmp_path / "logs"

    with pytest.raises(KeyboardInterrupt):
        export_sweep(record, logdir, replace(bare_making(), content_of=interrupted))

    assert runs_in(logdir) == set()
    assert not (logdir / "batch_size=1").exists()


def test_an_interruption_amid_a_trace_leaves_nothing_of_a_profile(tmp_path: Path) -> None:
    times_ns = {name: np.asarray([1]) for name in ("start_ns", "end_ns", "thread")}
    profile = replace(profile_of(two_blocks()), timeline=Timeline(steps=FrozenMapping(times_ns)))

    with pytest.raises(KeyboardInterrupt):
        export_profile(profile, tmp_path / "logs", interrupted, now_s=1.0)

    assert not (tmp_path / "logs").exists()


def test_what_an_interruption_left_is_known_to_the_next_export(tmp_path: Path) -> None:
    record = batch_sweep()
    with pytest.raises(KeyboardInterrupt):
        export_sweep(record, tmp_path, bare_making(show=lambda what, done, total: interrupted() if done == 2 else None))

    export_sweep(replace(record, cells=record.cells[:1]), tmp_path, bare_making())

    assert runs_in(tmp_path) == {"batch_size=1", "report"}


def test_how_far_the_export_is_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    making = bare_making(show=lambda what, done, total: told.append((what, done, total)))

    export_sweep(batch_sweep(), tmp_path, making)

    runs = ("batch_size=1", "batch_size=4", "batch_size=8", "report")
    assert told == [(run, place, len(runs)) for place, run in enumerate(runs)]


def test_a_bar_is_shown_on_standard_error_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # by which rich takes the captured stream for a terminal

    export_tensorboard(batch_sweep(), tmp_path, progress=True)

    shown = capsys.readouterr()
    assert shown.out == ""
    assert "tensorboard" in shown.err


def test_a_logdir_that_is_a_file_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "logs"
    target.write_text("mine")

    with pytest.raises(InputError, match="is a file; give a folder"):
        export_tensorboard(profile_of(two_blocks()), target)

    assert target.read_text() == "mine"


def test_a_logdir_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(InputError, match=r"cannot write .*; choose a place you may write to"):
        export_tensorboard(profile_of(two_blocks()), tmp_path / "file" / "logs")


def test_a_record_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot export a FlopReport to TensorBoard; give a Profile"):
        export_tensorboard(flop_report(), tmp_path)  # type: ignore[arg-type]  # which is what is tested


def test_a_place_that_cannot_be_written_is_no_damaged_cell(tmp_path: Path) -> None:
    (tmp_path / "batch_size=4").write_text("mine")

    with pytest.raises(InputError, match="cannot write"):
        export_sweep(batch_sweep(), tmp_path, bare_making())
