"""Profiles that come back from their own traces: calls, ops and whose they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch_traces import Trace, written
from trace_profiles import ENCODER, FC1, HEAD, NET, TimelineRows, cpu_profile, cuda_profile

import layerprof as lp
from layerprof.attribute.base.ops import ENGINE_PREFIX
from layerprof.records import Timeline
from layerprof.testing import PhasedNet, SharedTrainingNet, TiedNet
from layerprof.traces import export_trace, load_trace

SUFFIXES = (".json.gz", ".pt.trace.json.gz")


def loaded(trace: Trace, folder: Path) -> lp.Profile:
    return load_trace(written(trace, folder / "trace.json"))


def failed(record: lp.Profile) -> list[str]:
    return [check.name for check in record.checks if not check.ok]


def sorted_rows(timeline: Timeline, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """The rows of a table in order, names spelled out."""
    found = getattr(timeline, table)
    spelled = {
        name: [timeline.strings[at] for at in found[name].tolist()] if name == "name" else found[name].tolist()
        for name in columns
    }
    return sorted(zip(*spelled.values(), strict=True))


@pytest.mark.parametrize("suffix", [".json", ".json.gz", ".pt.trace.json.gz"])
@pytest.mark.parametrize("make", [cpu_profile, cuda_profile])
def test_a_profile_comes_back_from_its_trace_to_the_nanosecond(tmp_path: Path, make: Any, suffix: str) -> None:
    profile: lp.Profile = make()

    back = load_trace(export_trace(profile, tmp_path / f"own{suffix}"))

    assert profile.timeline is not None
    assert back.timeline is not None
    for table, columns in (
        ("steps", ("start_ns", "end_ns", "thread")),
        ("ranges", ("layer", "phase", "step", "thread", "start_ns", "end_ns")),
        ("ops", ("name", "thread", "phase", "annotation", "start_ns", "end_ns")),
        ("kernels", ("name", "kind", "device", "stream", "launch_ns", "launch_end_ns", "start_ns", "end_ns")),
        ("allocations", ("time_ns", "device", "address", "bytes", "allocated_bytes", "reserved_bytes")),
    ):
        assert sorted_rows(back.timeline, table, columns) == sorted_rows(profile.timeline, table, columns), table
    named = ("path", "type_name", "kind", "stage")
    assert [[getattr(layer, name) for name in named] for layer in back.layers] == [
        [getattr(layer, name) for name in named] for layer in profile.layers
    ]
    assert [phase.name for phase in back.phases] == [phase.name for phase in profile.phases]
    assert back.environment == profile.environment
    assert failed(back) == []


def test_backward_work_of_an_own_trace_is_of_the_call_that_it_tells(tmp_path: Path) -> None:
    content = json.loads(export_trace(cuda_profile(steps=1), tmp_path / "own.json").read_bytes())
    for event in content["traceEvents"]:
        if event["name"].startswith(ENGINE_PREFIX):
            assert (event["args"]["layer"], event["args"]["call"]) == (FC1, FC1 + 1)
            event["args"]["call"] = HEAD + 1

    back = loaded(content, tmp_path)

    assert "backward" in back["head"].by_phase
    assert back.timeline is not None
    nodes = back.timeline.ops["name"] == back.timeline.strings.index(next(filter(is_node, back.timeline.strings)))
    assert set(back.timeline.ranges["layer"][back.timeline.ops["range"][nodes]].tolist()) == {HEAD}
    assert failed(back) == []


def is_node(name: str) -> bool:
    return name.startswith(ENGINE_PREFIX)


def test_a_shared_layer_and_its_parameters_come_back_from_their_trace(tmp_path: Path) -> None:
    net = TiedNet()
    before = lp.profile(net, call=net.step, train=True, passes=("time", "ops"), warmup=0, repeats=1)

    after = load_trace(export_trace(before, tmp_path / "own.json"))

    assert [layer.aliases for layer in after.layers] == [layer.aliases for layer in before.layers]
    assert [layer.param_count for layer in after.layers] == [layer.param_count for layer in before.layers]
    assert [layer.param_bytes for layer in after.layers] == [layer.param_bytes for layer in before.layers]


@pytest.mark.parametrize("net", [SharedTrainingNet(), TiedNet()], ids=lambda net: type(net).__name__)
def test_backward_work_comes_back_to_its_layers_from_an_own_trace(net: PhasedNet, tmp_path: Path) -> None:
    before = lp.profile(net, call=net.step, train=True, passes=("time", "ops"), warmup=0, repeats=1)

    after = load_trace(export_trace(before, tmp_path / "own.json"))

    def calls_of(profile: lp.Profile) -> list[dict[str, int]]:
        return [{op.name: op.calls for op in layer.ops} for layer in profile.layers]

    assert calls_of(after) == calls_of(before)


class Block(nn.Module):
    """Three layers, the way around which is shorter."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.act, self.b = nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:  # (B, 8)
        return rows + torch.as_tensor(self.b(self.act(self.a(rows))))


class Net(nn.Module):
    """Calls its block twice; the first time it may be recomputed in the backward phase."""

    def __init__(self, *, is_recomputed: bool) -> None:
        super().__init__()
        self.blk, self.head, self.is_recomputed = Block(), nn.Linear(8, 4), is_recomputed

    def forward(self, rows: torch.Tensor) -> torch.Tensor:  # (B, 8)
        first = checkpoint(self.blk, rows, use_reentrant=False) if self.is_recomputed else self.blk(rows)
        return torch.as_tensor(self.head(self.blk(first)))


def once(net: Net) -> None:
    net(torch.ones(2, 8)).square().mean().backward()


def twice(net: Net) -> None:
    rows = torch.ones(2, 8)
    (net(rows).square().mean() + net(2 * rows).square().mean()).backward()


def whose(profile: lp.Profile) -> list[tuple[object, ...]]:
    """Each op with the call whose it is: the call's layer and times."""
    timeline = profile.timeline
    assert timeline is not None
    calls = list(zip(*(timeline.ranges[name].tolist() for name in ("layer", "start_ns", "end_ns")), strict=True))
    columns = (timeline.ops[name].tolist() for name in ("start_ns", "end_ns", "name", "range"))
    rows = zip(*columns, strict=True)
    return sorted(
        (start_ns, -end_ns, timeline.strings[name], calls[call] if call >= 0 else ())
        for start_ns, end_ns, name, call in rows
    )


def rows_of(profile: lp.Profile) -> list[tuple[object, ...]]:
    return [(layer.path, layer.calls, {(op.name, op.shapes): op.calls for op in layer.ops}) for layer in profile.layers]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("step", "is_recomputed"), [(once, False), (twice, False), (once, True)])
def test_every_op_comes_back_to_the_call_whose_it_is(
    tmp_path: Path, step: Callable[[Net], None], is_recomputed: bool, suffix: str
) -> None:
    net = Net(is_recomputed=is_recomputed)
    before = lp.profile(net, call=lambda: step(net), train=True, passes=("time", "ops"), warmup=0, repeats=2)

    after = load_trace(export_trace(before, tmp_path / f"own{suffix}"))

    assert whose(after) == whose(before)
    assert rows_of(after) == rows_of(before)
    assert [note for note in after.notes if note.code == "clipped_calls"] == []
    assert failed(after) == []


def test_a_recomputed_call_has_no_caller_that_ended_before_it(tmp_path: Path) -> None:
    net = Net(is_recomputed=True)
    profile = lp.profile(net, call=lambda: once(net), train=True, passes=("time", "ops"), warmup=0, repeats=1)

    content = json.loads(export_trace(profile, tmp_path / "own.json").read_bytes())

    calls = {one["args"]["Python id"]: one for one in content["traceEvents"] if one.get("cat") == "python_function"}
    callers = [(one, calls.get(one["args"]["Python parent id"])) for one in calls.values()]
    assert all(above is None or above["ts"] + above["dur"] >= one["ts"] + one["dur"] for one, above in callers)
    steps = len(profile.timeline.steps["thread"]) if profile.timeline is not None else 0
    assert sum(above is None for _, above in callers) == 2 * steps  # the root, and the block from the engine


@pytest.mark.parametrize("train", [False, True])
def test_a_profile_without_backward_work_comes_back_in_its_mode(tmp_path: Path, train: bool) -> None:
    profile = cpu_profile()
    profile = replace(profile, spec=replace(profile.spec, train=train))

    after = load_trace(export_trace(profile, tmp_path / "own.json"))

    assert after.spec.train is train
    assert "mode_not_in_trace" not in {note.code for note in after.notes}


def test_a_caller_without_a_length_does_not_end_what_is_around_it(tmp_path: Path) -> None:
    rows = TimelineRows()
    rows.begin_step(0, 1000)
    rows.range(NET, 0, 900)
    rows.range(ENCODER, 500, 500, parent=0)
    rows.range(FC1, 500, 500, parent=1)
    rows.range(HEAD, 600, 800, parent=0)
    profile = replace(cpu_profile(), timeline=rows.timeline())

    after = load_trace(export_trace(profile, tmp_path / "own.json"))

    assert after.timeline is not None
    assert [note for note in after.notes if note.code == "clipped_calls"] == []
    assert after.timeline.ranges["end_ns"][0] - after.timeline.ranges["start_ns"][0] == 900
