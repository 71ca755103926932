"""Reading what is stored: quickly by the index, rightly without it, and damaged files set aside."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from ledger_runs import cell_id, files_in, key, run, summary
from store_records import cell, cut

import layerprof as lp
from layerprof.ledger import Layout, Outcome, keep, scan, set_aside
from layerprof.ledger.folders import scanning
from layerprof.records import RunSummary
from layerprof.store import read_json, to_bytes, write_record, write_text

MANY = 120  # runs, enough for an index


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


@pytest.fixture
def stored(layout: Layout) -> tuple[RunSummary, ...]:
    """Many runs, in a folder whose index is written."""
    summaries = tuple(summary(key(number), metrics={"latency_s": float(number)}) for number in range(MANY))
    layout.cells.mkdir()
    for one in summaries:
        layout.run(key(int(one.cell, 16))).write_bytes(to_bytes(run(one)))
    assert scan(layout).summaries == summaries
    assert layout.index.is_file()
    return summaries


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read, and not taken from the index."""
    names: list[str] = []
    original = read_json

    def noted(path: Path) -> object:
        names.append(path.name)
        return original(path)

    monkeypatch.setattr(scanning, "read_json", noted)
    return names


def test_a_folder_without_runs_has_none(layout: Layout) -> None:
    assert scan(layout).summaries == ()


def test_what_the_index_knows_is_not_read(layout: Layout, stored: tuple[RunSummary, ...], names: list[str]) -> None:
    assert scan(layout).summaries == stored
    assert names == []


def test_a_file_that_changed_is_read_again(layout: Layout, stored: tuple[RunSummary, ...], names: list[str]) -> None:
    path = layout.run(key(7))
    changed = replace(stored[7], ended_at_s=200.0)
    write_record(run(changed), path)
    os.utime(path, ns=(0, 0))

    assert scan(layout).summaries[7] == changed
    assert names == [path.name]


def test_a_run_that_is_gone_is_gone(layout: Layout, stored: tuple[RunSummary, ...]) -> None:
    layout.run(key(0)).unlink()

    assert scan(layout).summaries == stored[1:]


def test_a_new_run_is_found(layout: Layout, stored: tuple[RunSummary, ...], names: list[str]) -> None:
    write_record(run(summary(key(MANY))), layout.run(key(MANY)))

    assert len(scan(layout).summaries) == MANY + 1
    assert names == [layout.run(key(MANY)).name]


@pytest.mark.parametrize("harm", ["delete", "cut", "flip", "empty", "version", "folder"])
def test_an_index_that_cannot_be_used_is_as_good_as_none(
    layout: Layout, stored: tuple[RunSummary, ...], names: list[str], harm: str
) -> None:
    content = layout.index.read_bytes()
    layout.index.unlink()
    if harm == "folder":
        layout.index.mkdir()
    elif harm != "delete":
        layout.index.write_bytes(
            {
                "cut": content[: len(content) // 2],
                "flip": content.replace(b'"latency_s":7.0', b'"latency_s":8.0'),
                "empty": b"",
                "version": content.replace(b'"version":1', b'"version":2'),
            }[harm]
        )

    assert scan(layout).summaries == stored
    assert len(names) == MANY


def test_a_folder_that_cannot_be_written_is_read_all_the_same(
    layout: Layout, stored: tuple[RunSummary, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    layout.index.unlink()

    def refused(handle: int) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "fsync", refused)

    assert scan(layout).summaries == stored
    assert not layout.index.exists()


def test_a_look_leaves_no_trace(layout: Layout, stored: tuple[RunSummary, ...]) -> None:
    layout.index.unlink()
    before = files_in(layout)

    scan(layout, updates_index=False)

    assert files_in(layout) == before


def test_few_new_runs_do_not_write_the_index_again(layout: Layout, stored: tuple[RunSummary, ...]) -> None:
    before = layout.index.read_bytes()
    write_record(run(summary(key(MANY))), layout.run(key(MANY)))

    scan(layout)

    assert layout.index.read_bytes() == before


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_file_that_is_cut_off_is_damaged(layout: Layout, share: float) -> None:
    write_record(run(), layout.run(key()))
    cut(layout.run(key()), share)

    found = scan(layout)

    assert found.summaries == ()
    assert [one.path for one in found.damaged] == [layout.run(key())]
    assert "truncated" in found.damaged[0].reason


def test_a_file_under_another_runs_name_is_damaged(layout: Layout) -> None:
    write_record(run(), layout.run(key(2)))

    assert "not the one of its name" in scan(layout).damaged[0].reason


def test_a_file_that_holds_something_else_is_damaged(layout: Layout) -> None:
    write_record(cell(), layout.run(key()))

    assert "holds a CellRecord, not a RunRecord" in scan(layout).damaged[0].reason


def test_a_run_of_a_newer_layerprof_is_not_called_damaged(layout: Layout) -> None:
    write_text(layout.run(key()), '{"format": "layerprof", "schema": 999, "record": {}}')

    with pytest.raises(lp.RecordError, match=r"schema 999, newer .* upgrade layerprof"):
        scan(layout)


def test_files_of_other_names_are_none_of_its_business(layout: Layout) -> None:
    for name in ("a1.json", "a1.profile.json", f".{key().stem}.json.0123", f"{key().stem}.txt", "notes.md"):
        write_text(layout.cells / name, "no record")

    found = scan(layout)

    assert (found.summaries, found.damaged) == ((), ())


def test_damaged_files_are_set_aside_and_nothing_is_written_over(layout: Layout) -> None:
    for content in ("first", "second"):
        write_text(layout.run(key()), content)
        set_aside(layout, scan(layout).damaged)

    assert sorted(path.read_text() for path in layout.set_aside.iterdir()) == ["first", "second"]
    assert scan(layout).damaged == ()


def test_a_damaged_file_that_another_worker_has_moved_is_left_out(layout: Layout) -> None:
    write_text(layout.run(key()), "damaged")
    damaged = scan(layout).damaged
    layout.run(key()).unlink()

    assert set_aside(layout, damaged) == ()


def test_what_is_kept_is_found(layout: Layout) -> None:
    kept = keep(layout, Outcome(record=run()), key=key())

    assert scan(layout).summaries == (kept.summary,)
    assert kept.summary.cell == cell_id(1)
