"""Files: whole or not there, and readable to whom they should be."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from store_records import cell, real_profile

import layerprof as lp
from layerprof.records import FrozenMapping
from layerprof.store import write_record, write_text
from layerprof.store.files import write_files


@pytest.fixture(scope="module")
def profile() -> lp.Profile:
    return real_profile()


@pytest.fixture
def saved(profile: lp.Profile, tmp_path: Path) -> Path:
    return write_record(profile, tmp_path / "profile.json")


def test_what_holds_no_record_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "record.json"

    with pytest.raises(TypeError, match="a record holds no set"):
        write_record(replace(cell(), notes={1}), path)  # type: ignore[arg-type]  # a bug of ours

    assert not path.exists()


def test_a_number_that_json_cannot_hold_leaves_the_old_file(saved: Path) -> None:
    before = saved.read_bytes()

    with pytest.raises(ValueError, match="JSON compliant"):
        write_record(replace(cell(), metrics=FrozenMapping({"energy_j": float("inf")})), saved)

    assert saved.read_bytes() == before


def test_folders_on_the_way_are_made(profile: lp.Profile, tmp_path: Path) -> None:
    path = tmp_path / "runs" / "first" / "profile.json"

    lp.save(profile, path)

    assert path.is_file()


def test_a_written_file_replaces_the_old_one_and_leaves_nothing_else(saved: Path) -> None:
    write_text(saved, "new")

    assert saved.read_text() == "new"
    assert list(saved.parent.iterdir()) == [saved]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def full_disk(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(lp.InputError, match=r"cannot write .*: No space left on device; choose a place"):
        write_text(saved, "new")

    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def interrupted(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_text(saved, "new")

    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_a_folder_is_not_written_over(tmp_path: Path) -> None:
    with pytest.raises(lp.InputError, match="it is a folder; choose a place"):
        write_text(tmp_path, "new")


def test_a_link_stays_and_what_it_leads_to_is_written(saved: Path) -> None:
    link, far = saved.parent / "link.json", saved.parent / "far.json"
    link.symlink_to(far.name)
    far.symlink_to(saved)

    write_text(link, "new")

    assert saved.read_text() == "new"
    assert link.is_symlink()
    assert far.is_symlink()
    assert set(saved.parent.iterdir()) == {saved, link, far}


def test_a_link_to_a_file_that_is_not_there_yet_leads_to_the_new_one(tmp_path: Path) -> None:
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "folder" / "new.txt")

    write_text(link, "new")

    assert link.is_symlink()
    assert (tmp_path / "folder" / "new.txt").read_text() == "new"


def test_links_that_lead_to_each_other_are_refused_and_stay(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.symlink_to(other)
    other.symlink_to(one)

    with pytest.raises(lp.InputError, match=r"cannot write .*one: Too many levels of symbolic links; choose a place"):
        write_text(one, "new")

    assert one.is_symlink()
    assert other.is_symlink()


@pytest.mark.parametrize("is_linked", [False, True])
def test_what_is_no_regular_file_is_refused_and_stays(tmp_path: Path, is_linked: bool) -> None:
    pipe, link, beside = tmp_path / "pipe", tmp_path / "link", tmp_path / "beside"
    os.mkfifo(pipe)
    link.symlink_to(pipe)

    with pytest.raises(lp.InputError, match=r"it is no regular file; redirect standard output there instead$"):
        write_files({beside: b"text", link if is_linked else pipe: b"text"})

    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert set(tmp_path.iterdir()) == {pipe, link}


def test_a_place_under_a_file_cannot_be_written(saved: Path) -> None:
    with pytest.raises(lp.InputError, match="cannot write"):
        write_text(saved / "inside.json", "new")


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_files_have_the_permissions_that_other_files_get(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        path = write_text(tmp_path / "file.txt", "text")
        (tmp_path / "other.txt").touch()
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "other.txt").stat().st_mode)
