"""Runs in a sweep's folder: whole or not there, the first result stays, and what does not fit is said."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ledger_runs import BEFORE, FACTS_HERE, NOTE, NOW, cell_id, files_in, key, outcome, planned, run, summary, sweep
from store_records import full_profile, timeline

import layerprof as lp
from layerprof.ledger import (
    Layout,
    Leases,
    Owner,
    begin,
    is_of_newer,
    keep,
    read_outcome,
    read_run,
    runs,
    scan,
    write_outcome,
)
from layerprof.records import CellFailure, Distribution, FrozenMapping, RunRecord
from layerprof.store import load_profile, write_record, write_text

MOST_BYTES = 20_000


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "sweep")


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """The folder of an outcome with a profile, its timeline and a log."""
    folder = tmp_path / "work"
    write_record(replace(full_profile(), timeline=timeline()), folder / "profile.json")
    write_text(folder / "log.txt", "a line\n")
    return folder


def break_disk(monkeypatch: pytest.MonkeyPatch, where: str, *, code: int = errno.ENOSPC) -> None:
    """Makes every file fail to open for writing whose path has the word in it; nothing can be linked."""
    original = Path.open

    def opened(self: Path, mode: str = "r", *arguments: object, **options: object) -> object:
        if where in str(self) and set(mode) & set("wx"):
            raise OSError(code, os.strerror(code))
        return original(self, mode, *arguments, **options)  # type: ignore[call-overload]  # as it was called

    monkeypatch.setattr(Path, "open", opened)
    without_links(monkeypatch)
    copy = shutil.copyfile

    def copied(source: Path, target: Path) -> object:
        if where in str(target):
            raise OSError(code, os.strerror(code))
        return copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", copied)


def without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused)


def test_an_outcome_comes_back_from_the_folder_it_was_left_in(tmp_path: Path) -> None:
    write_outcome(replace(outcome(), profile=full_profile()), tmp_path)

    found = read_outcome(tmp_path)

    assert found is not None
    assert (found.record, found.folder) == (run(), tmp_path)
    assert load_profile(tmp_path / "profile.json") == full_profile()


def test_an_outcome_that_was_not_finished_is_none(tmp_path: Path) -> None:
    write_record(full_profile(), tmp_path / "profile.json")

    assert read_outcome(tmp_path) is None


def test_a_damaged_outcome_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{")

    with pytest.raises(lp.RecordError, match=r"run\.json"):
        read_outcome(tmp_path)


def test_an_outcome_that_is_something_else_is_refused(tmp_path: Path) -> None:
    write_record(full_profile(), tmp_path / "run.json")

    with pytest.raises(lp.RecordError, match="holds a Profile, not a RunRecord"):
        read_outcome(tmp_path)


def test_a_kept_run_is_read_again(layout: Layout) -> None:
    kept = keep(layout, outcome(), key=key())

    assert kept == run()
    assert read_run(layout.run(key())) == kept
    assert files_in(layout) == {f"cells/{key().stem}.json"}


def test_what_lies_beside_an_outcome_comes_along(layout: Layout, left: Path) -> None:
    kept = keep(layout, outcome(folder=left), key=key())

    assert kept.summary.profile_path == f"profiles/{key().stem}.json"
    assert kept.summary.log_path == f"logs/{key().stem}.txt"
    assert load_profile(layout.profile(key())) == replace(full_profile(), timeline=timeline())
    assert layout.log(key()).read_text() == "a line\n"
    assert len(files_in(layout)) == 4


def test_what_lies_on_another_disk_comes_along_too(layout: Layout, left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_links(monkeypatch)

    keep(layout, outcome(folder=left), key=key())

    assert load_profile(layout.profile(key())).timeline is not None
    assert len(files_in(layout)) == 4


def test_a_profile_at_hand_is_written(layout: Layout) -> None:
    kept = keep(layout, replace(outcome(), profile=full_profile()), key=key())

    assert kept.summary.profile_path is not None
    assert load_profile(layout.folder / kept.summary.profile_path) == full_profile()


def test_an_empty_log_is_none(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "log.txt").touch()

    assert keep(layout, outcome(folder=tmp_path), key=key()).summary.log_path is None
    assert not layout.log(key()).exists()


def test_of_a_long_log_the_beginning_and_the_end_are_kept(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_bytes(b"first" + b"x" * 1_000_000 + b"last")

    keep(layout, outcome(folder=tmp_path), key=key())

    log = layout.log(key()).read_bytes()
    assert len(log) <= 256_000
    assert log.startswith(b"first")
    assert log.endswith(b"last")
    left_out = 1_000_009 - log.count(b"x") - len(b"firstlast")
    assert b"... %d bytes left out ..." % left_out in log


def test_a_run_that_is_cut_short_before_its_record_is_there_was_not_measured(
    layout: Layout, left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = os.link

    def killed(source: Path, target: Path) -> None:
        if target == layout.run(key()):
            assert layout.profile(key()).is_file()
            assert layout.log(key()).is_file()
            raise KeyboardInterrupt
        original(source, target)

    monkeypatch.setattr(os, "link", killed)
    with pytest.raises(KeyboardInterrupt):
        keep(layout, outcome(folder=left), key=key())

    assert scan(layout).summaries == ()


def test_the_first_result_stays(layout: Layout) -> None:
    first = keep(layout, outcome(), key=key())

    second = keep(layout, outcome(summary(ended_at_s=200.0)), key=key())

    assert second == first == read_run(layout.run(key()))


def test_a_failure_never_takes_the_place_of_a_result(layout: Layout, left: Path) -> None:
    first = keep(layout, outcome(summary(session=BEFORE), folder=left), key=key())

    assert keep(layout, outcome(summary(failed="crash")), key=key()) == first
    assert layout.profile(key()).is_file()


def test_a_result_of_a_later_session_was_measured_anew_and_takes_the_place(layout: Layout) -> None:
    keep(layout, outcome(summary(session=BEFORE)), key=key())

    assert keep(layout, outcome(summary(session=NOW)), key=key()).summary.session == NOW
    assert read_run(layout.run(key())).summary.session == NOW


def test_a_result_takes_the_place_of_a_failure_and_what_it_left(layout: Layout, left: Path) -> None:
    keep(layout, outcome(summary(failed="crash"), folder=left), key=key())

    keep(layout, outcome(), key=key())

    assert read_run(layout.run(key())).summary.status == "done"
    assert files_in(layout) == {f"cells/{key().stem}.json"}


@pytest.mark.parametrize("is_replaced", [True, False])
@pytest.mark.parametrize("failed", [None, "crash"])
def test_who_keeps_may_say_what_is_replaced(layout: Layout, *, is_replaced: bool, failed: str | None) -> None:
    first = keep(layout, outcome(), key=key())
    asked: list[RunRecord] = []

    def replaces(stored: RunRecord) -> bool:
        asked.append(stored)
        return is_replaced

    second = summary(failed=failed, ended_at_s=200.0)
    kept = keep(layout, outcome(second), key=key(), replaces=replaces)

    assert asked == [first]
    assert kept == read_run(layout.run(key())) == (run(second) if is_replaced else first)


def test_nobody_is_asked_where_nothing_is_stored(layout: Layout) -> None:
    def replaces(stored: RunRecord) -> bool:
        raise AssertionError

    assert keep(layout, outcome(), key=key(), replaces=replaces) == run()


def interrupt_the_record(monkeypatch: pytest.MonkeyPatch, layout: Layout, error: BaseException) -> None:
    """Has an error come at the moment when a record is to take the place of another."""
    original = Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        if target == layout.run(key()):
            raise error
        return original(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.EIO, "broken"), OSError(errno.ENOSPC, "full")])
def test_a_run_that_did_not_get_to_replace_another_leaves_that_one_whole(
    layout: Layout, left: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    first = keep(layout, replace(outcome(summary(session=BEFORE)), profile=full_profile()), key=key())
    before = files_in(layout)

    with monkeypatch.context() as patch:
        interrupt_the_record(patch, layout, error)
        with pytest.raises((KeyboardInterrupt, lp.InputError, lp.UnavailableError)):
            keep(layout, outcome(folder=left), key=key())

    assert read_run(layout.run(key())) == first
    assert load_profile(layout.profile(key())) == full_profile()
    assert files_in(layout) == before


def leave_by_a_kill(layout: Layout, left: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What a kill leaves that comes just before a record takes the place of another; which files these are."""
    keep(layout, replace(outcome(summary(session=BEFORE)), profile=full_profile()), key=key())
    before = files_in(layout)
    with monkeypatch.context() as patch:
        interrupt_the_record(patch, layout, KeyboardInterrupt())
        patch.setattr(runs, "_take_back", lambda *arguments: None)
        with pytest.raises(KeyboardInterrupt):
            keep(layout, outcome(folder=left), key=key())
    return files_in(layout) - before


def test_a_kill_before_a_record_replaces_another_leaves_that_one_its_profile(
    layout: Layout, left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leavings = leave_by_a_kill(layout, left, monkeypatch)

    assert len(leavings) == 3
    assert load_profile(layout.profile(key())) == full_profile()


def test_what_a_kill_left_beside_a_run_is_removed_by_the_next_session(
    layout: Layout, left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leavings = leave_by_a_kill(layout, left, monkeypatch)

    begin(layout, sweep([planned()]))
    assert leavings < files_in(layout)  # they are so new that somebody may be about to name them

    begin(layout, sweep([planned()]), is_alone=True)
    assert not leavings & files_in(layout)
    assert load_profile(layout.profile(key())) == full_profile()


def test_what_lies_beside_a_run_that_replaced_another_is_no_leaving(layout: Layout, left: Path) -> None:
    keep(layout, outcome(summary(session=BEFORE), folder=left), key=key())
    keep(layout, outcome(folder=left), key=key())
    before = files_in(layout)

    begin(layout, sweep([planned()]), is_alone=True)

    assert files_in(layout) == before | {"sweep.json"}
    assert len(before) == 4


def test_a_run_that_replaces_another_has_names_of_its_own_and_removes_the_others(layout: Layout, left: Path) -> None:
    keep(layout, outcome(summary(session="first"), folder=left), key=key())

    second = keep(layout, outcome(summary(session="second"), folder=left), key=key())
    assert second.summary.profile_path is not None
    assert re.fullmatch(rf"profiles/{key().stem}\.[0-9a-f]{{8}}\.json", second.summary.profile_path)
    assert load_profile(layout.folder / second.summary.profile_path).timeline is not None
    assert len(files_in(layout)) == 4

    third = keep(layout, outcome(summary(session="third"), folder=left), key=key())
    assert third.summary.profile_path == f"profiles/{key().stem}.json"
    assert len(files_in(layout)) == 4


def test_a_record_cannot_have_files_removed_that_are_not_its_own(layout: Layout, left: Path, tmp_path: Path) -> None:
    foreign = run(replace(summary(session=BEFORE), profile_path="../mine.json", log_path=f"logs/{key(2).stem}.txt"))
    write_record(foreign, layout.run(key()))
    for path in (tmp_path / "mine.json", layout.log(key(2))):
        write_text(path, "mine")

    keep(layout, outcome(folder=left), key=key())

    assert (tmp_path / "mine.json").is_file()
    assert layout.log(key(2)).is_file()


def test_a_result_takes_the_place_of_a_damaged_file(layout: Layout) -> None:
    write_text(layout.run(key()), '{"format": "layerpr')

    keep(layout, outcome(), key=key())

    assert read_run(layout.run(key())) == run()


def test_of_two_that_keep_at_once_the_first_stays(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    original = os.link

    def overtaken(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "link", original)
        keep(layout, outcome(summary(ended_at_s=1.0)), key=key())
        original(source, target)

    monkeypatch.setattr(os, "link", overtaken)

    assert keep(layout, outcome(summary(ended_at_s=2.0)), key=key()).summary.ended_at_s == 1.0


def test_a_result_of_a_newer_layerprof_is_left_alone(layout: Layout) -> None:
    newer = '{"format": "layerprof", "schema": 999}'
    write_text(layout.run(key()), newer)

    with pytest.raises(lp.RecordError, match="upgrade layerprof"):
        keep(layout, outcome(), key=key())

    assert layout.run(key()).read_text() == newer


def test_the_same_cell_in_another_environment_is_another_file(layout: Layout) -> None:
    other = key(environment="b" * 16)

    keep(layout, outcome(), key=key())
    kept = keep(layout, outcome(), key=other)

    assert kept.summary.environment == other.environment
    assert len(files_in(layout)) == 2


def test_the_outcome_of_another_cell_is_refused(layout: Layout) -> None:
    with pytest.raises(ValueError, match=f"a run of {cell_id(1)} is no result for"):
        keep(layout, outcome(), key=key(2))


def test_a_file_that_holds_another_run_than_its_name_says_is_damaged(layout: Layout) -> None:
    write_record(run(), layout.run(key(2)))

    with pytest.raises(lp.RecordError, match=r"holds the run .*, not the one of its name"):
        read_run(layout.run(key(2)))


def test_many_samples_are_thinned_evenly_and_the_record_says_so(layout: Layout) -> None:
    many = Distribution(samples=tuple(number / 7 for number in range(10_000)))

    kept = keep(layout, outcome(latency_s=many), key=key())

    assert layout.run(key()).stat().st_size <= MOST_BYTES
    assert kept.latency_s is not None
    gaps = [after - before for before, after in zip(kept.latency_s.samples, kept.latency_s.samples[1:], strict=False)]
    assert max(gaps) < 2 * min(gaps)
    (note,) = kept.summary.notes
    assert note.code == "samples_thinned"
    assert note.text.startswith(f"{kept.latency_s.n} of 10000 samples")
    assert layout.run(key()).stat().st_size > 0.8 * MOST_BYTES


def test_long_texts_are_cut_and_the_samples_stay(layout: Layout) -> None:
    failure = CellFailure(kind="exception", text="x" * 50_000)
    discarded = tuple(CellFailure(kind="crash", text="y" * 10_000) for _ in range(5))
    few = Distribution(samples=(1.0,) * 50)

    kept = keep(
        layout,
        outcome(replace(summary(), status="failed", failure=failure), discarded=discarded, latency_s=few),
        key=key(),
    )

    assert layout.run(key()).stat().st_size <= MOST_BYTES
    assert kept.summary.failure is not None
    assert kept.summary.failure.text.endswith("x…")
    assert kept.latency_s == few


def test_hundreds_of_notes_are_cut_short_and_the_record_says_so(layout: Layout) -> None:
    notes = tuple(replace(NOTE, scope=f"layer {number}", text=f"{number} " * 100) for number in range(1000))

    kept = keep(layout, outcome(replace(summary(), notes=notes)), key=key())

    assert layout.run(key()).stat().st_size <= MOST_BYTES
    assert kept.summary.notes[-1].code == "notes_left_out"
    assert kept.summary.notes[-1].text.startswith("980 more notes")


@pytest.mark.parametrize("where", ["profiles", f"profiles/.{key().stem}.json"], ids=["all of it", "after the timeline"])
def test_on_a_full_disk_a_result_is_kept_without_what_lies_beside_it(
    layout: Layout, left: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    break_disk(monkeypatch, where)

    kept = keep(layout, outcome(folder=left), key=key())

    assert kept.summary.profile_path is None
    assert kept.summary.log_path is not None
    assert [(note.code, note.quantity) for note in kept.summary.notes] == [("not_stored", "profile")]
    assert files_in(layout) == {f"cells/{key().stem}.json", f"logs/{key().stem}.txt"}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_result_that_finds_no_space_at_all_can_be_kept_later(
    layout: Layout, left: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    with monkeypatch.context() as full:
        break_disk(full, "cells", code=code)
        with pytest.raises(lp.UnavailableError, match=r"no space left in .*cells"):
            keep(layout, outcome(folder=left), key=key())
        assert not layout.run(key()).exists()

    kept = keep(layout, outcome(folder=left), key=key())

    assert kept.summary.profile_path is not None
    assert load_profile(layout.profile(key())).timeline is not None


def test_half_of_what_found_no_space_takes_none_from_the_record(
    layout: Layout, left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_disk(monkeypatch, f"profiles/.{key().stem}.json")
    break_disk(monkeypatch, "cells")

    with pytest.raises(lp.UnavailableError):
        keep(layout, outcome(folder=left), key=key())

    assert files_in(layout) == set()
    assert {path.name for path in left.iterdir()} == {"profile.json", "profile.timeline.npz", "log.txt"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a file system of its own in memory, by its options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mounted(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if sys.platform != "linux" or os.geteuid() or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("only root may mount a file system")
        return folder

    yield mounted
    if folder.is_mount():
        subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path, *, files: int = 0) -> None:
    """Leaves no byte on a disk; or, where it is short of files, so many of them."""
    if not files:
        free = os.statvfs(disk)
        (disk / "filler").write_bytes(b"x" * (free.f_bavail * free.f_frsize))
    for number in range(os.statvfs(disk).f_favail - files if files else 0):
        (disk / f"filler{number}").touch()


@pytest.mark.parametrize(("options", "files"), [("size=300k", 0), ("size=1m,nr_inodes=40", 1)], ids=["bytes", "files"])
@pytest.mark.parametrize("has_copy", [True, False])
def test_on_a_disk_that_is_really_full_a_record_takes_the_space_of_what_its_process_left(
    small_disk: Callable[[str], Path], left: Path, options: str, files: int, *, has_copy: bool
) -> None:
    disk = small_disk(options)
    layout, work = Layout(disk / "sweep"), disk / "sweep" / "work"
    begin(layout, sweep([planned()]))
    shutil.copytree(left, work)
    if has_copy:
        write_outcome(outcome(), work)
    layout.cells.mkdir()
    fill(disk, files=files)
    if files:
        (disk / "last").touch()

    kept = keep(layout, outcome(folder=work), key=key())

    assert read_run(layout.run(key())) == kept
    is_whole = has_copy and not files  # the folders of what lies beside a run need some, too
    assert (kept.summary.profile_path is not None) == is_whole
    assert {note.quantity for note in kept.summary.notes} == (set() if is_whole else {"profile", "log"})


def test_a_record_that_finds_no_space_on_a_real_disk_can_be_kept_later(
    small_disk: Callable[[str], Path], left: Path
) -> None:
    disk = small_disk("size=300k")
    layout = Layout(disk / "sweep")
    begin(layout, sweep([planned()]))
    fill(disk)
    before = files_in(layout)

    with pytest.raises(lp.UnavailableError, match="no space left in"):
        keep(layout, outcome(folder=left), key=key())
    with pytest.raises(lp.UnavailableError, match="no space left in"), Leases(layout, Owner.here()):
        pass
    with pytest.raises(lp.UnavailableError, match="no space left in"):
        begin(layout, sweep([planned()]))
    assert files_in(layout) == before

    (disk / "filler").unlink()
    assert keep(layout, outcome(folder=left), key=key()).summary.profile_path is not None


def test_a_profile_that_was_given_up_is_not_forgotten(layout: Layout, left: Path) -> None:
    os.truncate(left / "profile.json", 0)

    kept = keep(layout, outcome(folder=left), key=key())

    assert [(note.code, note.quantity) for note in kept.summary.notes] == [("not_stored", "profile")]


@pytest.mark.parametrize(
    ("content", "is_newer"),
    [
        ('{"format": "layerprof", "schema": 999}', True),
        ('{"format": "layerprof", "schema": 999', False),
        ('{"format": "layerprof", "schema": 5}', False),
        ('{"schema": 999}', False),
        ("", False),
        ("\0" * 512, False),
    ],
    ids=["newer", "newer and cut off", "of today", "of others", "empty", "zeros after a power cut"],
)
def test_only_a_whole_file_says_that_it_is_of_a_newer_layerprof(
    layout: Layout, content: str, *, is_newer: bool
) -> None:
    write_text(layout.run(key()), content)

    assert is_of_newer(layout.run(key())) == is_newer
    with pytest.raises(lp.RecordError):
        read_run(layout.run(key()))
    if not is_newer:
        assert [one.path for one in scan(layout).damaged] == [layout.run(key())]


def test_a_file_that_is_not_there_is_of_no_newer_layerprof(layout: Layout) -> None:
    assert not is_of_newer(layout.run(key()))


def test_a_profile_at_hand_finds_no_space_either(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(lp.UnavailableError):
            keep(layout, replace(outcome(), profile=full_profile()), key=key())

    assert files_in(layout) == set()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(lp.InputError, match="cannot write"):
        keep(Layout(tmp_path / "file"), outcome(), key=key())


def test_a_run_that_was_lost_has_no_conditions_and_is_kept_all_the_same(layout: Layout) -> None:
    lost = outcome(summary(failed="worker_lost"), conditions=None, latency_s=None, facts=FrozenMapping())

    assert keep(layout, lost, key=key()).conditions is None
    assert run().facts == FACTS_HERE
