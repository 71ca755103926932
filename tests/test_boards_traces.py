"""The trace of a profile beside its events, and the time that stands in these."""

from __future__ import annotations

import re
import time
from collections.abc import Set
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from boards_reading import as_page, read
from boards_sweeps import sweep_of, with_profile
from report_records import profile_of, two_blocks
from report_roofs import blocks_under_roof
from trace_profiles import cpu_profile

from layerprof.boards import export_tensorboard
from layerprof.boards.base import EVENT_FILE
from layerprof.boards.profiles import content_of, export_profile
from layerprof.errors import RecordError
from layerprof.records import FrozenMapping, Profile, Timeline
from layerprof.traces import export_trace

START_NS, END_NS = 1_700_000_000_000_000_123, 1_700_000_001_500_000_000
NOW_S = 1_800_000_000.5


def with_timeline(profile: Profile) -> Profile:
    times_ns = {"start_ns": np.asarray([START_NS]), "end_ns": np.asarray([END_NS]), "thread": np.asarray([1])}
    return replace(profile, timeline=Timeline(steps=FrozenMapping(times_ns)))


def no_trace(profile: Profile, for_plugin: bool) -> bytes:
    return b"plugin" if for_plugin else b"perfetto"


def test_both_copies_of_the_trace_lie_beside_the_events() -> None:
    profile = with_timeline(profile_of(two_blocks(), model="blip2 tiny/1.5 (random)"))

    content = content_of(profile, no_trace, is_brief=True)

    plugin = re.compile(r"^(.*?)(\.\d+)?\.pt\.trace\.json(?:\.gz)?$")  # by which torch-tb-profiler finds its files
    names = {name: content for name, content in content.traces.items() if plugin.match(name)}
    (name,) = names
    found = plugin.match(name)
    assert found is not None
    assert found[2] == f".{START_NS}"
    assert "/" not in name
    assert content.traces == {name: b"plugin", name.replace(".pt.", "."): b"perfetto"}


def test_a_profile_without_a_timeline_has_no_trace() -> None:
    content = content_of(profile_of(two_blocks()), no_trace, is_brief=True)

    assert content.traces == {}
    assert content.ended_at_s is None


def test_events_are_of_the_time_at_which_it_was_measured(tmp_path: Path) -> None:
    export_profile(with_timeline(profile_of(two_blocks())), tmp_path, no_trace, now_s=NOW_S)

    assert read(tmp_path).times_s == {END_NS / 1e9}


def test_events_without_a_time_of_their_own_are_of_the_export(tmp_path: Path) -> None:
    export_profile(profile_of(two_blocks()), tmp_path, no_trace, now_s=NOW_S)

    assert read(tmp_path).times_s == {NOW_S}


def test_an_export_without_a_time_in_the_record_is_of_now(tmp_path: Path) -> None:
    began_s = time.time()

    export_tensorboard(profile_of(two_blocks()), tmp_path)

    (time_s,) = read(tmp_path).times_s
    assert began_s <= time_s <= time.time()


def test_the_same_profile_gives_the_same_bytes(tmp_path: Path) -> None:
    (first,) = export_profile(blocks_under_roof(), tmp_path / "a", no_trace, now_s=NOW_S)
    (second,) = export_profile(blocks_under_roof(), tmp_path / "b", no_trace, now_s=NOW_S)

    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def refused(profile: Profile, for_plugin: bool) -> bytes:
    raise RecordError("the timeline's ops have no name")


def damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def test_a_timeline_that_makes_no_trace_costs_the_trace_alone(tmp_path: Path) -> None:
    profile = with_timeline(profile_of(two_blocks()))

    files = export_profile(profile, tmp_path, refused, now_s=NOW_S)

    found = read(tmp_path)
    assert [path.name for path in files] == [EVENT_FILE]
    assert found.scalars.keys() == exported_scalars(profile, tmp_path / "whole")
    assert "the timeline's ops have no name" in as_page(found.text("tables/"))
    assert found.times_s == {END_NS / 1e9}


def exported_scalars(profile: Profile, folder: Path) -> Set[str]:
    export_profile(profile, folder, no_trace, now_s=NOW_S)
    return read(folder).scalars.keys()


def test_a_cell_whose_timeline_is_damaged_has_all_but_its_trace(tmp_path: Path) -> None:
    cell = with_profile(sweep_of([{"a": 1}, {"a": 2}]), cpu_profile(), tmp_path).cells[0]
    damaged(tmp_path / "profiles" / "first.timeline.npz")

    files = export_tensorboard(cell, tmp_path / "logs")

    found = read(tmp_path / "logs")
    assert [path.name for path in files] == [EVENT_FILE]
    assert "layers/self_time_s" in found.scalars
    assert "first.timeline.npz is truncated or damaged" in found.text("tables/")


def test_a_sweep_tells_in_its_report_which_trace_is_missing(tmp_path: Path) -> None:
    record = with_profile(sweep_of([{"a": 1}, {"a": 2}]), cpu_profile(), tmp_path)
    damaged(tmp_path / "profiles" / "first.timeline.npz")

    export_tensorboard(record, tmp_path / "logs")

    left_out = read(tmp_path / "logs" / "report").text("report/02 left out")
    assert "layers/self_time_s" in read(tmp_path / "logs" / "a=1").scalars
    assert "the trace of a=1" in left_out
    assert "first.timeline.npz is truncated or damaged" in left_out
    assert "the layers of" not in left_out


def test_a_timeline_that_was_taken_away_is_no_damage(tmp_path: Path) -> None:
    record = with_profile(sweep_of([{"a": 1}, {"a": 2}]), cpu_profile(), tmp_path)
    (tmp_path / "profiles" / "first.timeline.npz").unlink()

    export_tensorboard(record, tmp_path / "logs")

    assert "timeline" not in read(tmp_path / "logs" / "a=1").text("tables/")
    assert not read(tmp_path / "logs" / "report").text("report/02")


def test_a_trace_of_a_cell_whose_timeline_is_damaged_is_refused_for_it(tmp_path: Path) -> None:
    cell = with_profile(sweep_of([{"a": 1}, {"a": 2}]), cpu_profile(), tmp_path).cells[0]
    damaged(tmp_path / "profiles" / "first.timeline.npz")

    with pytest.raises(RecordError, match=r"first\.timeline\.npz is truncated or damaged"):
        export_trace(cell, tmp_path / "trace.json.gz")
