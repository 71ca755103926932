"""The timeline beside a profile: there or not, whole, its own, and data only."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from store_records import cell, cut, full_profile, timeline

import layerprof as lp
from layerprof.records import FrozenMapping, Timeline
from layerprof.store import load_profile, timeline_path, write_record
from layerprof.store import timeline as timeline_store
from layerprof.store.timeline import from_npz, to_npz

Arrays = dict[str, NDArray[np.generic]]


@pytest.fixture(scope="module")
def profile() -> lp.Profile:
    return replace(full_profile(), timeline=timeline())


@pytest.fixture
def saved(profile: lp.Profile, tmp_path: Path) -> Path:
    return write_record(profile, tmp_path / "profile.json")


def contents(one: Timeline | None) -> list[object]:
    """All that a timeline holds, comparable."""
    assert one is not None
    values = [getattr(one, field.name) for field in fields(one)]
    return [
        {name: (array.dtype.str, array.tolist()) for name, array in value.items()}
        if isinstance(value, Mapping)
        else value
        for value in values
    ]


def test_a_timeline_comes_back_with_its_profile(profile: lp.Profile, tmp_path: Path) -> None:
    lp.save(profile, tmp_path / "profile.json")

    loaded = lp.load(tmp_path / "profile.json")

    assert isinstance(loaded, lp.Profile)
    assert loaded == profile
    assert contents(loaded.timeline) == contents(profile.timeline)


def test_a_timeline_of_nothing_comes_back(profile: lp.Profile, tmp_path: Path) -> None:
    path = write_record(replace(profile, timeline=Timeline()), tmp_path / "profile.json")

    assert contents(load_profile(path).timeline) == contents(Timeline())


def test_a_timeline_has_the_name_of_its_profile(saved: Path) -> None:
    assert sorted(path.name for path in saved.parent.iterdir()) == ["profile.json", "profile.timeline.npz"]


def test_arrays_of_a_loaded_timeline_cannot_be_written_to(saved: Path) -> None:
    loaded = load_profile(saved).timeline

    assert loaded is not None
    assert not loaded.ops["name"].flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        loaded.ops["name"][0] = 1


def modules_loaded_with(path: Path) -> set[str]:
    """Which of the heavy libraries a fresh interpreter has after loading the record."""
    program = "import sys, layerprof as lp; lp.load(sys.argv[1]); print(*{'numpy', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_a_profile_alone_is_loaded_without_numpy_and_none_needs_torch(saved: Path) -> None:
    assert modules_loaded_with(saved) == {"numpy"}

    timeline_path(saved).unlink()

    assert modules_loaded_with(saved) == set()


def test_numpy_reads_the_file_without_pickle(saved: Path, profile: lp.Profile) -> None:
    assert profile.timeline is not None
    with np.load(timeline_path(saved), allow_pickle=False) as arrays:
        assert arrays["ops.end_ns"].tolist() == profile.timeline.ops["end_ns"].tolist()


def test_the_same_timeline_gives_the_same_file() -> None:
    assert to_npz(timeline()) == to_npz(timeline())


def test_a_profile_without_its_timelines_file_has_none(saved: Path, profile: lp.Profile) -> None:
    timeline_path(saved).unlink()

    loaded = load_profile(saved)

    assert loaded == profile
    assert loaded.timeline is None


def test_a_save_without_a_timeline_removes_that_of_the_record_before(saved: Path, profile: lp.Profile) -> None:
    lp.save(replace(profile, timeline=None), saved)

    assert list(saved.parent.iterdir()) == [saved]
    assert load_profile(saved).timeline is None


def test_a_save_of_another_record_removes_a_timeline_too(saved: Path) -> None:
    lp.save(cell(), saved)

    assert list(saved.parent.iterdir()) == [saved]


def test_a_timeline_that_the_profile_does_not_point_to_is_not_attached(profile: lp.Profile, tmp_path: Path) -> None:
    path = write_record(replace(profile, timeline=None), tmp_path / "profile.json")
    timeline_path(path).write_bytes(to_npz(timeline()))

    assert load_profile(path).timeline is None


def test_a_timeline_of_another_profile_is_refused(saved: Path) -> None:
    timeline_path(saved).write_bytes(to_npz(timeline(ops=5)))

    with pytest.raises(
        lp.RecordError,
        match=r"profile\.timeline\.npz is not the timeline .*profile\.json was saved with; save it again or delete",
    ):
        lp.load(saved)


def test_a_write_that_fails_leaves_both_old_files_and_nothing_else(
    saved: Path, profile: lp.Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in saved.parent.iterdir()}
    calls = []

    def full_on_the_second(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_on_the_second)
    with pytest.raises(lp.InputError, match=r"cannot write .*profile\.json: No space left on device"):
        write_record(replace(profile, timeline=timeline(ops=9)), saved)

    assert {path: path.read_bytes() for path in saved.parent.iterdir()} == before


def test_a_timeline_is_in_place_before_the_profile_that_points_to_it(
    profile: lp.Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = []
    replace_file = Path.replace

    def watched(self: Path, target: Path) -> Path:
        moved.append(target.name)
        return replace_file(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    write_record(profile, tmp_path / "profile.json")

    assert moved == ["profile.timeline.npz", "profile.json"]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.99])
def test_a_timeline_that_was_cut_off_is_damage(saved: Path, share: float) -> None:
    cut(timeline_path(saved), share)

    with pytest.raises(lp.RecordError, match=r"profile\.timeline\.npz is truncated or damaged") as caught:
        lp.load(saved)

    assert "\n" not in str(caught.value)


def test_one_byte_that_changed_anywhere_is_not_taken(saved: Path, profile: lp.Profile) -> None:
    path = timeline_path(saved)
    whole = path.read_bytes()

    for position in range(0, len(whole), 23):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        with pytest.raises(lp.RecordError, match=r"profile\.timeline\.npz is"):
            lp.load(saved)


def test_a_timeline_that_is_a_folder_cannot_be_read(saved: Path) -> None:
    timeline_path(saved).unlink()
    timeline_path(saved).mkdir()

    with pytest.raises(lp.InputError, match=r"cannot read .*profile\.timeline\.npz"):
        lp.load(saved)


def arrays_of(content: bytes) -> Arrays:
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def npz(arrays: Mapping[str, object]) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, **arrays)  # type: ignore[arg-type]  # of arrays, and of what is none
    return packed.getvalue()


def with_header(**changes: object) -> Callable[[Arrays], object]:
    def change(arrays: Arrays) -> None:
        header = json.loads(arrays["header"].tobytes())
        header.update(changes)
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)

    return change


DAMAGES: dict[str, tuple[Callable[[Arrays], object], str]] = {
    "newer": (with_header(schema=8), r"has schema 8, newer than this layerprof's 2; upgrade layerprof"),
    "of no schema": (with_header(schema=None), "its schema is None"),
    "of schema 0": (with_header(schema=0), "its schema is 0"),
    "another's": (with_header(format="other"), "it holds no timeline"),
    "without a header": (lambda arrays: arrays.pop("header"), "header"),
    "of a table more": (with_header(tables={"events": []}), "its tables are not those of a timeline"),
    "of no tables": (with_header(tables=[]), "its tables"),
    "of text for names": (with_header(strings="text"), "its strings are no list of text"),
    "of numbers for names": (with_header(strings=[1]), "its strings are no list of text"),
    "of text for shapes": (with_header(shapes="text"), "its shapes"),
    "of fractions for shapes": (with_header(shapes=[[[0.5]]]), "its shapes are not of whole numbers"),
    "of truth for shapes": (with_header(shapes=[[[True]]]), "its shapes are not of whole numbers"),
    "of a column more": (lambda arrays: arrays.update({"ops.extra": np.zeros(4)}), "its arrays are not those"),
    "of a column less": (lambda arrays: arrays.pop("ops.end_ns"), "its arrays are not those"),
    "of unequal columns": (
        lambda arrays: arrays.update({"ops.end_ns": np.zeros(3)}),
        "the columns of ops are not of one length",
    ),
    "of two dimensions": (lambda arrays: arrays.update({"ops.end_ns": np.zeros((2, 2))}), "that is no column"),
    "of no dimension": (lambda arrays: arrays.update({"ops.end_ns": np.zeros(())}), "that is no column"),
    "of another type": (lambda arrays: arrays.update({"ops.end_ns": np.zeros(4, dtype=np.int32)}), "is of int32"),
    "of text": (lambda arrays: arrays.update({"ops.end_ns": np.array(["a"] * 4)}), "ops.end_ns is of <U1"),
    "of objects": (lambda arrays: arrays.update({"ops.end_ns": np.array([None] * 4)}), "object"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_timeline_that_is_none_is_refused_in_one_line(name: str) -> None:
    change, message = DAMAGES[name]
    arrays = arrays_of(to_npz(timeline()))
    change(arrays)

    with pytest.raises(lp.RecordError, match=message) as caught:
        from_npz(npz(arrays), source="x.timeline.npz")

    assert str(caught.value).startswith("x.timeline.npz ")
    assert "\n" not in str(caught.value)


class Trap:
    """What a hostile pickle would run."""

    sprung = False

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return setattr, (Trap, "sprung", True)


def test_a_pickle_is_never_run() -> None:
    arrays = arrays_of(to_npz(timeline()))
    hostile = npz({**arrays, "ops.end_ns": np.array([Trap()] * 4, dtype=object)})

    with pytest.raises(lp.RecordError, match="object"):
        from_npz(hostile, source="x.timeline.npz")

    assert not Trap.sprung
    assert pickle.loads(pickle.dumps(Trap())) is None  # it does spring where it is run
    assert Trap.sprung


def repacked(change: Callable[[zipfile.ZipFile], object], *, without: str = "") -> bytes:
    """A whole timeline with an entry changed."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(to_npz(timeline()))) as old, zipfile.ZipFile(packed, "w") as new:
        for name in old.namelist():
            if name != without:
                new.writestr(name, old.read(name))
        change(new)
    return packed.getvalue()


def header_of(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<i8", "fortran_order": False, "shape": shape})
    return stream.getvalue()


@pytest.mark.parametrize(
    "entry",
    [b"", b"text", header_of((10**12,)), header_of((4,)), header_of((4,)) + bytes(40), header_of((-1,)) + bytes(8)],
    ids=["nothing", "no array", "more than memory holds", "no data", "too much data", "less than nothing"],
)
def test_an_array_is_as_large_as_its_data(entry: bytes) -> None:
    content = repacked(lambda archive: archive.writestr("ops.end_ns.npy", entry), without="ops.end_ns.npy")

    with pytest.raises(lp.RecordError, match="truncated or damaged"):
        from_npz(content, source="x.timeline.npz")


def test_two_arrays_of_one_name_are_damage() -> None:
    content = to_npz(timeline())
    doubled = content.replace(b"kernels.name.npy", b"ops.start_ns.npy")  # of one length, so the zip stays whole

    with pytest.raises(lp.RecordError, match="two arrays of one name"):
        from_npz(doubled, source="x.timeline.npz")


def test_what_would_unpack_to_too_much_is_refused_before_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    content = to_npz(timeline(ops=1000))
    monkeypatch.setattr(timeline_store, "MOST_BYTES", 1000)

    with pytest.raises(lp.RecordError, match="would unpack to more than 1000 bytes"):
        from_npz(content, source="x.timeline.npz")


def test_a_timeline_that_is_too_large_is_not_saved(
    profile: lp.Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline_store, "MOST_BYTES", 100)

    with pytest.raises(lp.InputError, match="larger than 100 bytes; save the profile without it"):
        lp.save(profile, tmp_path / "profile.json")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"name": np.zeros(2, dtype=np.int32)}, "ops.name of a timeline is int32"),
        ({"name": np.zeros((2, 2))}, "ops.name of a timeline is float64 of 2 dimensions"),
        ({"name": np.array(["a"])}, "ops.name of a timeline is <U1"),
        ({"name": np.zeros(2), "end_ns": np.zeros(3)}, "the columns of ops of a timeline are not of one length"),
    ],
)
def test_a_timeline_that_could_not_be_read_again_is_not_written(
    columns: Mapping[str, NDArray[np.float64]], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        to_npz(Timeline(ops=FrozenMapping(columns)))
