"""Traces of a real device: written by layerprof and by torch, read by the plugin and by layerprof again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import layerprof as lp
from gpu.subjects import blip2

FC1 = "vision_model.encoder.layers.0.mlp.fc1"


@pytest.fixture(scope="module")
def profile() -> lp.Profile:
    model, inputs = blip2()
    return lp.profile(model, inputs, warmup=2, repeats=6)


def launches_of(trace: Path) -> set[str]:
    """The categories of the runtime's calls in a trace."""
    events = json.loads(trace.read_bytes())["traceEvents"]
    return {event["cat"] for event in events if event.get("cat", "").startswith("cuda_")}


def test_the_plugin_reads_the_device_times_of_the_layers(profile: lp.Profile, tmp_path: Path) -> None:
    from torch_tb_profiler.profiler.data import RunProfileData

    path = lp.export_trace(profile, tmp_path / "w.1.pt.trace.json")
    read = RunProfileData.parse("w", "1", str(path), str(tmp_path))

    seen = sum(op.self_device_duration for op in read.op_list_groupby_name)
    assert profile.device_total_s is not None
    assert profile.unattributed_device_s is not None
    in_ops = profile.device_total_s.mean - profile.unattributed_device_s.mean
    assert seen == pytest.approx(2 * in_ops * 1e6, rel=0.05)  # of two steps, in microseconds


def test_a_trace_comes_back_with_its_device_times(profile: lp.Profile, tmp_path: Path) -> None:
    again = lp.load_trace(lp.export_trace(profile, tmp_path / "own.json.gz"))

    before, after = profile[FC1].device_total_s, again[FC1].device_total_s
    assert before is not None
    assert after is not None
    assert after.samples == pytest.approx(before.samples)


def test_torchs_own_trace_is_read_and_its_launches_have_a_category_that_is_known(tmp_path: Path) -> None:
    model, inputs = blip2()
    with torch.profiler.profile(with_stack=True, record_shapes=True) as session, torch.no_grad():
        model(**inputs)
    path = tmp_path / "torch.json"
    session.export_chrome_trace(str(path))

    loaded = lp.load_trace(path)

    assert launches_of(path) <= {"cuda_runtime", "cuda_driver"}
    assert loaded.device_total_s is not None
    assert loaded.device_total_s.median > 0
    assert all(check.ok for check in loaded.checks)


def test_the_memory_that_is_held_is_the_allocators(profile: lp.Profile) -> None:
    assert profile.timeline is not None
    table = profile.timeline.allocations

    on_device = table["device"] >= 0
    assert on_device.any()
    assert (table["reserved_bytes"][on_device] >= table["allocated_bytes"][on_device]).all()
