"""What the command exports before it serves a folder: what has no export, or an old one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from boards_reading import read
from report_records import batch_sweep, profile_of, two_blocks
from trace_profiles import cpu_profile as traced_profile
from viewer_servers import write_trace

import layerprof as lp
from layerprof.boards.base import EVENT_FILE
from layerprof.cli.base import write_boards
from layerprof.cli.tensorboard import _with_files
from layerprof.errors import LayerprofError
from layerprof.ledger import SWEEP_FILE, Layout, begin

LATER_NS = 10**9


def profile_in(path: Path) -> Path:
    lp.save(profile_of(two_blocks()), path)
    return path


def sweep_in(folder: Path) -> Path:
    begin(Layout(folder), batch_sweep())
    return folder


def make_later(path: Path, than: Path) -> None:
    later_ns = than.stat().st_mtime_ns + LATER_NS
    os.utime(path, ns=(later_ns, later_ns))


def runs_below(folder: Path) -> list[str]:
    return sorted(str(path.parent.relative_to(folder)) for path in folder.rglob(EVENT_FILE))


def complaints_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_profiles_in_a_folder_and_right_under_it_are_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("profile.json", "big.profile.json", "first/profile.json", "second/x.profile.json"):
        profile_in(tmp_path / name)
    (tmp_path / "third").mkdir()
    (tmp_path / "third" / "profile.json").write_text('{"of": "another program"}')

    place = _with_files(tmp_path)

    assert place == tmp_path / "tensorboard"
    assert runs_below(place) == ["big", "first", "profile", "second/x"]
    (line,) = complaints_of(capsys)  # and nothing of the other program's
    assert line.startswith("layerprof: exporting: 4 profiles for")


def test_the_sweeps_of_a_parent_folder_are_exported(tmp_path: Path) -> None:
    for name in ("a", "b"):
        sweep_in(tmp_path / name)

    place = _with_files(tmp_path)

    runs = runs_below(place)
    assert {"a/report", "b/report"} <= set(runs)
    assert {run.partition("/")[0] for run in runs} == {"a", "b"}


def test_an_export_says_that_it_is_of_now(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep_in(tmp_path)

    _with_files(tmp_path)

    (line,) = complaints_of(capsys)
    assert line.startswith(f"layerprof: exporting: the sweep in {tmp_path} for TensorBoard, as of now, in {tmp_path}")
    assert line.endswith("start again for what is measured later")


def test_what_has_not_changed_is_not_exported_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep_in(tmp_path / "a")
    profile_in(tmp_path / "profile.json")
    place = _with_files(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    capsys.readouterr()

    again = _with_files(tmp_path)

    assert again == place
    assert complaints_of(capsys) == []
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before


def test_a_profile_that_is_newer_than_its_export_is_exported_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profiles = [profile_in(tmp_path / f"{name}.profile.json") for name in ("a", "b")]
    place = _with_files(tmp_path)
    make_later(profiles[1], than=place / "b" / EVENT_FILE)
    capsys.readouterr()

    _with_files(tmp_path)

    (line,) = complaints_of(capsys)
    assert f"the profile {profiles[1]} for" in line


@pytest.mark.parametrize("changed", [SWEEP_FILE, "cells/c/result.json"])
def test_a_sweep_that_is_newer_than_its_export_is_exported_anew(
    tmp_path: Path, changed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep_in(tmp_path)
    place = _with_files(tmp_path)
    (tmp_path / changed).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / changed).touch()
    make_later(tmp_path / changed, than=place / "report" / EVENT_FILE)
    capsys.readouterr()

    _with_files(tmp_path)

    assert complaints_of(capsys)[0].startswith("layerprof: exporting: the sweep in ")


def test_an_export_without_its_report_is_made_whole(tmp_path: Path) -> None:
    sweep_in(tmp_path)
    place = _with_files(tmp_path)
    (place / "report" / EVENT_FILE).unlink()

    _with_files(tmp_path)

    assert (place / "report" / EVENT_FILE).is_file()


def test_a_damaged_profile_does_not_keep_the_others_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile_in(tmp_path / "good" / "profile.json")
    bad = profile_in(tmp_path / "bad" / "profile.json")
    bad.write_bytes(bad.read_bytes()[:-10])

    place = _with_files(tmp_path)

    assert runs_below(place) == ["good"]
    told = [line for line in complaints_of(capsys) if line.startswith("layerprof: note: not exported: ")]
    assert len(told) == 1
    assert str(bad) in told[0]


def test_where_no_profile_can_be_read_there_is_nothing_to_serve(tmp_path: Path) -> None:
    for name in ("a", "b"):
        path = profile_in(tmp_path / name / "profile.json")
        path.write_bytes(path.read_bytes()[:-10])

    with pytest.raises(LayerprofError, match=r"profile\.json"):
        _with_files(tmp_path)


def test_runs_of_another_program_are_shown_beside_the_export(tmp_path: Path) -> None:
    profile_in(tmp_path / "mine" / "profile.json")
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "events.out.tfevents.1.host").touch()

    place = _with_files(tmp_path)

    assert place == tmp_path
    assert runs_below(tmp_path) == ["tensorboard/mine"]


TRACES = [
    "host.1.pt.trace.json.gz",
    "mine/host.pt.trace.json",
    "a/b/c/host.1.pt.trace.json",
    "mine/tensorboard/h.pt.trace.json",
]


@pytest.mark.parametrize("name", TRACES)
@pytest.mark.parametrize("make", [lambda folder: profile_in(folder / "profile.json"), sweep_in])
def test_traces_of_the_users_own_are_shown_beside_the_export(
    tmp_path: Path, make: Callable[[Path], object], name: str
) -> None:
    make(tmp_path)
    write_trace(tmp_path / name, [])

    place = _with_files(tmp_path)

    assert place == tmp_path
    assert runs_below(tmp_path / "tensorboard")


def test_traces_beside_profiles_and_a_sweep_right_under_are_shown_too(tmp_path: Path) -> None:
    for name in ("b1", "b4"):
        profile_in(tmp_path / name / "profile.json")
    sweep_in(tmp_path / "sw")
    write_trace(tmp_path / "torch" / "host.1.pt.trace.json", [])

    assert _with_files(tmp_path) == tmp_path


@pytest.mark.parametrize("name", TRACES)
def test_traces_alone_are_shown_where_they_lie(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_trace(tmp_path / name, [])

    assert _with_files(tmp_path) == tmp_path
    assert complaints_of(capsys) == []
    assert not (tmp_path / "tensorboard").exists()


@pytest.mark.parametrize("name", ["mine/trace.json", "mine/host.pt.trace.json.bak"])
def test_what_no_page_shows_anyway_changes_nothing(tmp_path: Path, name: str) -> None:
    profile_in(tmp_path / "profile.json")
    write_trace(tmp_path / name, [])

    assert _with_files(tmp_path) == tmp_path / "tensorboard"


def test_exports_beside_their_sources_are_not_shown_twice(tmp_path: Path) -> None:
    for name in ("a", "b"):
        lp.save(traced_profile(), tmp_path / name / "profile.json")
        write_boards(traced_profile(), tmp_path / name)

    assert _with_files(tmp_path) == tmp_path / "tensorboard"


def test_an_export_of_what_lies_deeper_is_shown_too(tmp_path: Path) -> None:
    profile_in(tmp_path / "profile.json")
    write_boards(traced_profile(), tmp_path / "a" / "b")

    assert _with_files(tmp_path) == tmp_path


def test_traces_behind_a_link_are_shown_too(tmp_path: Path) -> None:
    logdir = tmp_path / "logs"
    profile_in(logdir / "profile.json")
    write_trace(tmp_path / "elsewhere" / "host.1.pt.trace.json", [])
    (logdir / "mine").symlink_to(tmp_path / "elsewhere")

    assert _with_files(logdir) == logdir


def test_a_damaged_profile_does_not_keep_traces_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = profile_in(tmp_path / "profile.json")
    bad.write_bytes(bad.read_bytes()[:-10])
    write_trace(tmp_path / "mine" / "host.1.pt.trace.json", [])

    place = _with_files(tmp_path)

    assert place == tmp_path
    assert complaints_of(capsys)[-1].startswith(f"layerprof: note: not exported: {bad}")


def test_a_damaged_timeline_costs_the_trace_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lp.save(traced_profile(), tmp_path / "p.profile.json")
    timeline = tmp_path / "p.profile.timeline.npz"
    timeline.write_bytes(timeline.read_bytes()[:-100])

    place = _with_files(tmp_path)

    assert runs_below(place) == ["p"]
    assert "p.profile.timeline.npz is truncated or damaged" in read(place / "p").text("tables/")
    (line,) = complaints_of(capsys)[1:]
    assert line.startswith(f"layerprof: note: no trace of {tmp_path / 'p.profile.json'}: ")
    assert "is truncated or damaged" in line
