"""Files that are no trace of torch's profiler, or not a whole one: one clear line each."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch_traces import cuda_trace, written
from trace_profiles import cpu_profile

import layerprof as lp
from layerprof.errors import InputError, RecordError
from layerprof.records import Timeline
from layerprof.traces import export_trace
from layerprof.traces.reading import files, is_trace, load_trace

TEXT = json.dumps(cuda_trace())
JAX = {
    "traceEvents": [
        {"ph": "M", "pid": 3, "name": "process_name", "args": {"name": "/device:GPU:0"}},
        {"ph": "X", "pid": 3, "tid": 1, "ts": 1.0, "dur": 2.0, "name": "fusion"},
    ]
}
BROWSER = {"traceEvents": [{"ph": "X", "cat": "devtools.timeline", "name": "Layout", "ts": 1, "dur": 2, "tid": 1}]}
OTHER = {"traceEvents": [{"ph": "B", "name": "f", "ts": 1, "tid": 1}, 7]}
NO_TIMES = {"traceEvents": [{"ph": "X", "cat": "cpu_op", "name": "aten::add", "ts": "now", "dur": 1, "tid": 1}]}


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", InputError, "not JSON"),
        (b"hello", InputError, "not JSON"),
        (b"\x00\x01\x02", InputError, "not JSON"),
        (b"7", InputError, "not JSON"),
        (b'"text"', InputError, "not JSON"),
        (b"{'a': 1}", InputError, "not JSON"),
        (b"{}", InputError, "traceEvents"),
        (b'{"traceEvents": {}}', InputError, "traceEvents"),
        (b'{"traceEvents": []}', InputError, "without any event"),
        (b"[]", InputError, "without any event"),
        (b'{"planes": []}', InputError, "XPlane"),
        (json.dumps(JAX).encode(), InputError, "JAX"),
        (json.dumps(BROWSER).encode(), InputError, "browser"),
        (json.dumps(OTHER).encode(), InputError, "another tool"),
        (json.dumps({"traceEvents": JAX["traceEvents"][:1]}).encode(), InputError, "names of tracks and no event"),
        (json.dumps(NO_TIMES).encode(), InputError, "no op, module or kernel with a time"),
        (TEXT[: len(TEXT) // 2].encode(), RecordError, "cut off"),
        (TEXT[:-1].encode(), RecordError, "cut off"),
        (TEXT.replace('"ts":', '"ts" 5', 1).encode(), RecordError, "damaged"),
        (gzip.compress(TEXT.encode(), mtime=0)[:-400], RecordError, "cut off"),
        (gzip.compress(TEXT.encode(), mtime=0)[:20] + b"\xff" * 40, RecordError, "damaged"),
        (b"[" * 200_000, RecordError, "damaged"),
    ],
)
def test_a_file_that_is_no_whole_trace_is_refused(
    tmp_path: Path, content: bytes, error: type[Exception], message: str
) -> None:
    (tmp_path / "bad.json").write_bytes(content)

    with pytest.raises(error, match=message) as caught:
        load_trace(tmp_path / "bad.json")

    assert "\n" not in str(caught.value)
    assert "bad.json" in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        load_trace(tmp_path / "absent.json")


def test_a_folder_without_traces_is_refused_with_what_to_give(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "host.json").mkdir()

    with pytest.raises(InputError, match=r"is a folder without traces.*; give a file that torch\.profiler"):
        load_trace(tmp_path)


@pytest.mark.parametrize("below", ["", "run"])
def test_a_folder_is_refused_with_the_name_of_its_newest_trace(tmp_path: Path, below: str) -> None:
    (tmp_path / below).mkdir(exist_ok=True)
    for age, name in enumerate(["new.json.gz", "old.pt.trace.json"]):
        path = export_trace(cpu_profile(), tmp_path / below / name)
        os.utime(path, ns=(10**18 - age, 10**18 - age))
    (tmp_path / below / "newer.json").write_text('{"not": "a trace"}')

    with pytest.raises(InputError, match=r"is a folder; give one of its traces, the newest of which is ") as caught:
        load_trace(tmp_path)

    assert str(caught.value).endswith(str(tmp_path / below / "new.json.gz"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"traceEvents": [{"ph": "X", "name": "aten::a', "Unterminated string starting at line 1, column 38;"),
        ('{"traceEvents": [{"ph": "X", "name": "a\\', "Unterminated string starting at line 1, column 38;"),
        ('{"traceEvents": [{"ph": ', "Expecting value at line 1, column 25;"),
    ],
)
def test_where_a_trace_is_cut_off_is_told_in_words(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "cut.json").write_text(content)

    with pytest.raises(RecordError, match="is cut off") as caught:
        load_trace(tmp_path / "cut.json")

    assert told in str(caught.value)


def test_a_saved_profile_is_refused_with_the_name_of_what_reads_it(tmp_path: Path) -> None:
    lp.save(cpu_profile(), tmp_path / "record.json")

    with pytest.raises(InputError, match=r"lp\.load reads it"):
        load_trace(tmp_path / "record.json")


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"schema": 99}, "newer"),
        ({"schema": "1"}, "damaged"),
        ([], "damaged"),
        ({"schema": 1, "layers": []}, "table of layers"),
        ({"schema": 1, "layers": [["a", "Net", "other", "other"]]}, "table of layers"),
        ({"schema": 1, "layers": [["", "Net", "other", "other"]] * 2}, "table of layers"),
        ({"schema": 1, "layers": [["", "Net", 1, "other"]]}, "table of layers"),
    ],
)
def test_a_head_that_is_damaged_or_newer_is_refused(tmp_path: Path, head: object, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        load_trace(written({"layerprof": head, **cuda_trace()}, tmp_path / "head.json"))


def test_a_head_with_other_facts_of_wrong_types_is_read_without_them(tmp_path: Path) -> None:
    content = json.loads(export_trace(cpu_profile(), tmp_path / "own.json").read_bytes())
    content["layerprof"] |= {"model": 7, "phases": "x", "environment": {"cores": "many", "flags": [1], "python": 3}}

    record = load_trace(written(content, tmp_path / "changed.json"))

    assert record.spec.model == "changed"
    assert record.environment.cores is None
    assert record.environment.python == "unknown"
    assert [phase.name for phase in record.phases] == ["forward"]


def test_a_trace_of_an_empty_timeline_is_refused_for_what_it_is(tmp_path: Path) -> None:
    path = export_trace(replace(cpu_profile(), timeline=Timeline()), tmp_path / "empty.json.gz")

    with pytest.raises(InputError, match="names of tracks and no event"):
        load_trace(path)


def test_a_file_that_unpacks_to_more_than_can_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = export_trace(cpu_profile(), tmp_path / "own.json.gz")
    unpacked_bytes = len(gzip.decompress(path.read_bytes()))

    monkeypatch.setattr(files, "MOST_UNPACKED_BYTES", unpacked_bytes)
    assert load_trace(path).layers
    monkeypatch.setattr(files, "MOST_UNPACKED_BYTES", unpacked_bytes - 1)
    with pytest.raises(RecordError, match=rf"unpacks to more than {unpacked_bytes - 1:,} bytes"):
        load_trace(path)


def test_a_file_of_several_gzip_streams_is_read(tmp_path: Path) -> None:
    content = TEXT.encode()
    (tmp_path / "two.json.gz").write_bytes(gzip.compress(content[:999]) + gzip.compress(content[999:]) + b"\0" * 8)

    assert len(load_trace(tmp_path / "two.json.gz").layers) == 4


@pytest.mark.parametrize("path", [5, None, b"a.json", "a\0b.json", "\ud800.json"])
def test_a_path_that_no_file_can_have_is_refused(path: Any) -> None:
    for use in (load_trace, lambda one: export_trace(cpu_profile(), one)):
        with pytest.raises(InputError, match=r"a trace's path .* found"):
            use(path)
    assert not is_trace(path)
