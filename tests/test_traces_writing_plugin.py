"""What TensorBoard's plugin makes of the copy that is written for it, by its own parser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from report_records import Leaf, profile_of
from torch import nn
from trace_profiles import (
    PATHS,
    STEP_NS,
    TYPES,
    TimelineRows,
    Trace,
    cpu_profile,
    cuda_profile,
    events_of,
    overlaps_in,
    without_new_tables,
    written,
)

import layerprof as lp
from layerprof.traces import trace_json

pytest.importorskip("torch_tb_profiler", reason="the plugin is in the extra layerprof[tensorboard]")

from torch_tb_profiler.profiler.data import RunProfileData
from torch_tb_profiler.profiler.module_op import aggegate_module_view
from torch_tb_profiler.profiler.run_generator import RunGenerator

pytestmark = pytest.mark.filterwarnings("ignore:The copy keyword is deprecated")  # the plugin's own use of pandas

MOST_GZIPPED_BYTES = 1_000_000


def parsed(trace: Trace) -> Any:  # the plugin has no types
    return RunProfileData.from_json("worker", "1", trace)


def modules_of(trace: Trace) -> list[Any]:
    """The Module view's rows, each before those in it."""
    data = parsed(trace)

    def walked(rows: list[Any]) -> Iterator[Any]:
        for row in rows:
            yield row
            yield from walked(row.children)

    return list(walked(aggegate_module_view(data.tid2tree, data.events) or []))


def test_the_module_view_has_a_row_for_each_path_however_often_it_was_called() -> None:
    rows = modules_of(written(cpu_profile(steps=3), for_plugin=True))

    assert [(row.name, row.id, row.occurences) for row in rows] == [
        (path or name, place, 3) for place, (path, name) in enumerate(zip(PATHS, TYPES, strict=True), start=1)
    ]


def test_the_module_view_has_the_times_of_the_calls() -> None:
    rows = {row.name: row for row in modules_of(written(cpu_profile(steps=1), for_plugin=True))}

    assert rows["encoder"].host_duration == pytest.approx(480.0)
    assert rows["encoder"].self_host_duration == pytest.approx(480.0 - 220.0 - 230.0)
    assert rows["encoder.fc1"].operators == 1


def test_device_times_are_those_of_the_kernels() -> None:
    rows = {row.name: row for row in modules_of(written(cuda_profile(steps=1), for_plugin=True))}

    assert rows["encoder.fc1"].self_device_duration == pytest.approx(200.0 + 200.0)  # its kernel and its copy
    assert rows["encoder.act"].self_device_duration == pytest.approx(110.0)
    assert rows["encoder"].device_duration == pytest.approx(510.0)
    assert rows["Net"].device_duration == pytest.approx(610.0)


def test_device_times_are_there_for_an_older_timeline_too() -> None:
    profile = cuda_profile(steps=1)
    assert profile.timeline is not None

    older = replace(profile, timeline=without_new_tables(profile.timeline))

    rows = {row.name: row for row in modules_of(written(older, for_plugin=True))}
    assert rows["encoder.fc1"].self_device_duration == pytest.approx(400.0)


def test_the_other_copy_shows_why_there_are_two() -> None:
    rows = modules_of(written(cuda_profile(steps=1)))

    assert {row.device_duration for row in rows} == {0}


def test_the_operator_view_has_device_times_and_shapes() -> None:
    data = parsed(written(cuda_profile(steps=1), for_plugin=True))

    by_name = {op.name: op for op in data.op_list_groupby_name}
    by_shape = {(op.name, op.input_shape) for op in data.op_list_groupby_name_input}

    assert by_name["aten::addmm"].calls == 2
    assert by_name["aten::addmm"].self_device_duration == pytest.approx(500.0)
    assert by_name["aten::mm"].self_device_duration == pytest.approx(40.0)
    assert ("aten::addmm", str([[8], [4, 8], [8, 8]])) in by_shape
    assert "my range" not in by_name


def test_steps_are_found() -> None:
    data = parsed(written(cuda_profile(steps=2), for_plugin=True))

    assert data.steps_names == ["0", "1"]
    assert data.has_runtime
    assert data.has_kernel


def test_the_memory_view_gives_bytes_to_ops() -> None:
    data = parsed(written(cpu_profile(steps=1), for_plugin=True))

    statistics = data.memory_snapshot.get_memory_statistics(data.tid2tree)["CPU"]

    assert statistics["aten::addmm"][1] == 1024  # allocated by itself
    assert statistics["aten::relu"][1] == 2048


@pytest.mark.parametrize(
    ("profile", "views"),
    [
        (cpu_profile(), ["Overview", "Operator", "Trace", "Memory", "Module"]),
        (cuda_profile(), ["Overview", "Operator", "Kernel", "Trace", "Memory", "Module"]),
    ],
    ids=["cpu", "cuda"],
)
def test_all_views_are_made(profile: lp.Profile, views: list[str]) -> None:
    run = RunGenerator("worker", "1", parsed(written(profile, for_plugin=True))).generate_run_profile()

    assert [view.display_name for view in run.views] == views


def test_a_hostile_name_does_not_stop_it() -> None:
    rows = TimelineRows()
    rows.begin_step(0, 1000)
    rows.range(1, 0, 900)
    for place, name in enumerate(("ProfilerStep#nine", "", "\ud800", "<script>", "]")):
        rows.op(name, (10 * place, 10 * place + 5), around=0)
    profile = profile_of([Leaf(path="", type_name="Net"), Leaf(path="\u202ea\nb", type_name="Linear")])

    (row,) = modules_of(written(replace(profile, timeline=rows.timeline()), for_plugin=True))

    assert (row.name, row.operators) == ("\\u202ea\\nb", 5)


class Twice(nn.Module):
    """Calls one layer twice, and another's child directly."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    def forward(self, rows: torch.Tensor) -> torch.Tensor:  # (B, 4)
        inside = self.block(self.block(rows))
        return torch.as_tensor(self.block[0](inside)).sum()


@pytest.mark.parametrize("train", [False, True])
def test_a_measured_models_trace_nests_and_has_its_layers(train: bool) -> None:
    profile = lp.profile(Twice(), torch.ones(2, 4), passes=("time", "ops", "flops", "memory"), repeats=2, train=train)

    trace = written(profile, for_plugin=True)

    assert overlaps_in(trace) == []
    steps = len(profile.timeline.steps["thread"]) if profile.timeline is not None else 0
    calls = [("Twice", 1), ("block", 2), ("block.0", 1), ("block.0", 2), ("block.1", 2)]  # block.0 has two places
    found = sorted((row.name, row.occurences) for row in modules_of(trace))
    assert found == sorted((name, count * steps) for name, count in calls)


def test_each_place_of_a_shared_or_recursive_layer_has_its_own_times() -> None:
    rows = TimelineRows()
    rows.begin_step(0, STEP_NS)
    root = rows.range(0, 0, 900_000)
    outer = rows.range(1, 10_000, 500_000, parent=root)
    rows.range(1, 20_000, 120_000, parent=outer)
    rows.range(1, 600_000, 610_000, parent=root)
    net = profile_of([Leaf(path="", type_name="Net"), Leaf(path="cell", type_name="Cell")])

    trace = written(replace(net, timeline=rows.timeline()), for_plugin=True)

    found = [(row.name, row.occurences, row.host_duration) for row in modules_of(trace)]
    assert found == [
        ("Net", 1, pytest.approx(900.0)),
        ("cell", 2, pytest.approx(500.0)),
        ("cell", 1, pytest.approx(100.0)),
    ]
    modules = events_of(trace, "X", cat="python_function")
    assert [(event["args"]["layer"], event["args"]["call"]) for event in modules] == [(0, 1), (1, 2), (1, 3), (1, 4)]


@pytest.mark.slow
def test_a_trace_of_the_small_preset_is_small_and_read_whole() -> None:
    from layerprof import models, tasks

    model = models.load("blip2-tiny")
    task = tasks.load("sample")
    samples = task.samples(1)
    prompts = [task.prompt(sample) for sample in samples]
    inputs = models.adapter_for(model).inputs(model, tasks.open_images(samples), prompts, models.InputOptions())
    profile = lp.profile(model, inputs, passes=("ops",))

    trace = written(profile, for_plugin=True)

    names = {row.name for row in modules_of(trace)}
    assert overlaps_in(trace) == []
    assert "vision_model.encoder.layers.0.mlp.fc1" in names
    assert len(trace_json(profile, for_plugin=True)) < MOST_GZIPPED_BYTES
