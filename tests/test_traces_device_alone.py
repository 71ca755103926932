"""Traces of devices alone (activities=[CUDA]): no time is the host's, and the root stands for what the devices did."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import layerprof as lp

pytestmark = pytest.mark.filterwarnings("ignore:The copy keyword is deprecated")  # the plugin's own use of pandas

KERNELS_US = ((10, 110), (150, 210))  # after the file's base
BASE_NS = 1_790_857_026_000_000_000
HOST_TIMES = ("total_s", "self_s", "concurrent_s")


@pytest.fixture
def loaded(tmp_path: Path) -> lp.Profile:
    events = [
        {
            **{"ph": "X", "cat": "kernel", "name": "gemm", "pid": 0, "tid": 7, "ts": began, "dur": ended - began},
            "args": {"External id": 5, "device": 0, "stream": 7, "correlation": 77 + began},
        }
        for began, ended in KERNELS_US
    ]
    path = tmp_path / "device.json"
    path.write_text(json.dumps({"baseTimeNanoseconds": BASE_NS, "traceEvents": events}))
    return lp.load_trace(path)


def samples(distribution: lp.Distribution | None) -> tuple[float, ...]:
    assert distribution is not None
    return distribution.samples


def test_no_time_is_the_hosts(loaded: lp.Profile) -> None:
    assert loaded.step_s is None
    assert loaded.unattributed_s is None
    assert [getattr(loaded.root, name) for name in HOST_TIMES] == [None, None, None]
    assert [phase.total_s for phase in loaded.phases] == [None]


def test_notes_say_why(loaded: lp.Profile) -> None:
    texts = {(note.quantity, note.text) for note in loaded.notes if "ProfilerActivity.CPU" in note.text}

    assert {quantity for quantity, _ in texts} == {*HOST_TIMES, "step_s", "unattributed_s"}
    assert "under_profiler" not in {note.code for note in loaded.notes}
    assert [check.name for check in loaded.checks if not check.ok] == []


def test_the_root_stands_for_what_the_devices_did(loaded: lp.Profile) -> None:
    assert samples(loaded.root.device_total_s) == pytest.approx([160e-6])
    assert samples(loaded.root.device_self_s) == pytest.approx([160e-6])
    assert samples(loaded.device_total_s) == pytest.approx([160e-6])
    assert samples(loaded.device_span_s) == pytest.approx([200e-6])
    assert samples(loaded.unattributed_device_s) == (0.0,)


def test_reports_tell_the_device_and_no_host(loaded: lp.Profile, tmp_path: Path) -> None:
    for suffix in (".txt", ".md", ".html", ".csv"):
        lp.save(loaded, tmp_path / f"report{suffix}")

    text = (tmp_path / "report.txt").read_text()

    assert "ProfilerActivity.CPU" in text
    assert "160" in text


@pytest.mark.parametrize("name", ["x.json", "x.pt.trace.json.gz"])
def test_it_comes_back_the_same(loaded: lp.Profile, tmp_path: Path, name: str) -> None:
    lp.save(loaded, tmp_path / "stored.json")

    stored = lp.load(tmp_path / "stored.json")
    assert isinstance(stored, lp.Profile)
    again = lp.load_trace(lp.export_trace(stored, tmp_path / name))

    assert again.step_s is None
    assert again.root.total_s is None
    assert again.layers == loaded.layers
    assert again.device_total_s == loaded.device_total_s
    assert again.unattributed_device_s == loaded.unattributed_device_s


def test_nothing_is_drawn_on_the_host(loaded: lp.Profile, tmp_path: Path) -> None:
    trace = json.loads(lp.export_trace(loaded, tmp_path / "x.json").read_text())

    categories = {event.get("cat") for event in trace["traceEvents"] if event["ph"] == "X"}
    tracks = [event["args"]["name"] for event in trace["traceEvents"] if event["name"] == "thread_name"]

    assert categories == {"kernel", "layerprof"}
    assert not any("thread" in name for name in tracks)


def test_the_plugin_finds_a_step_and_the_kernels(loaded: lp.Profile, tmp_path: Path) -> None:
    pytest.importorskip("torch_tb_profiler", reason="the plugin is in the extra layerprof[tensorboard]")
    from torch_tb_profiler.profiler.data import RunProfileData

    path = lp.export_trace(loaded, tmp_path / "x.pt.trace.json.gz")

    data: Any = RunProfileData.from_json("worker", "1", json.loads(gzip.decompress(path.read_bytes())))

    assert data.steps_names == ["0"]
    assert data.steps_costs[0].costs[-1] == pytest.approx(200.0)
    assert data.op_list_groupby_name == []
    assert [(row.name, row.total_duration) for row in data.kernel_list_groupby_name_op] == [
        ("gemm", pytest.approx(160.0))
    ]
