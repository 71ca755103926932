"""The trace of a profile beside its events, and the time that stands in these."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from boards_reading import read
from report_records import profile_of, two_blocks
from report_roofs import blocks_under_roof

from layerprof.boards import export_tensorboard
from layerprof.boards.profiles import content_of, export_profile
from layerprof.records import FrozenMapping, Profile, Timeline

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
