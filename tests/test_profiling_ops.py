"""The ops pass through the doors: ops of every layer, their FLOPs, the timeline, and what it refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
import torch
from architectures import ARCHITECTURES, Architecture
from torch import nn
from torch.profiler import ProfilerActivity

import layerprof as lp
from layerprof.instruments import is_profiling
from layerprof.testing import NestedNet

OPS = ("ops", "flops")
RECORDED = 2  # steps that a profile's session keeps


class ThreeOfOne(nn.Module):
    """Three linear layers on one input, and a product of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(8, 8, bias=False) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = self.query(x) @ self.key(x).T @ self.value(x)
        return product


def flops_by_op(layer: lp.LayerProfile) -> Mapping[str, int]:
    """Op to FLOPs, of ops that have any."""
    sums: dict[str, int] = {}
    for op in layer.ops:
        if op.flops:
            sums[op.name] = sums.get(op.name, 0) + op.flops
    return sums


def calls_of(layer: lp.LayerProfile, name: str) -> int:
    return sum(op.calls for op in layer.ops if op.name == name)


def test_every_layer_has_the_ops_that_ran_in_it_and_no_other() -> None:
    profile = lp.profile(ThreeOfOne(), torch.ones(4, 8), passes=OPS, warmup=0, repeats=1)

    assert flops_by_op(profile["query"]) == {"aten::mm": 2 * 4 * 8 * 8}
    assert flops_by_op(profile.root) == {"aten::mm": 2 * 4 * 8 * 4 + 2 * 4 * 4 * 8}
    assert calls_of(profile["value"], "aten::linear") == 1
    assert calls_of(profile.root, "aten::linear") == 0


def test_an_op_has_its_shapes_calls_and_a_time_for_every_recorded_step() -> None:
    profile = lp.profile(ThreeOfOne(), torch.ones(4, 8), passes=OPS, warmup=0, repeats=1)

    (product,) = [op for op in profile["key"].ops if op.name == "aten::mm"]
    assert product.shapes == ((4, 8), (8, 8))
    assert product.calls == 1
    assert product.self_s is not None
    assert product.self_s.n == RECORDED
    assert product.device_s is None
    assert product.kernels == ()


def test_ops_of_a_step_that_trains_are_of_the_layer_that_caused_them() -> None:
    net = ThreeOfOne()

    profile = lp.profile(
        net, call=lambda: net(torch.ones(4, 8)).sum().backward(), train=True, passes=OPS, warmup=0, repeats=1
    )

    forward, weight_gradient = 2 * 4 * 8 * 8, 2 * 4 * 8 * 8  # the input needs no gradient
    for name in ("query", "key", "value"):
        assert flops_by_op(profile[name]) == {"aten::mm": forward + weight_gradient}
        assert calls_of(profile[name], "aten::mm") == 2


@pytest.mark.parametrize(
    "architecture",
    [
        pytest.param(
            one,
            id="-".join(filter(None, (one.name, one.attention))),
            marks=[pytest.mark.slow] if one.name == "blip2-tiny" else [],
        )
        for one in ARCHITECTURES
    ],
)
def test_flops_of_a_layers_ops_are_its_own(architecture: Architecture) -> None:
    profile = lp.profile(architecture.model(), architecture.inputs(), passes=OPS, warmup=0, repeats=1)

    for layer in profile.layers:
        flops = [op.flops for op in layer.ops]
        assert None not in flops
        assert sum(op.flops or 0 for op in layer.ops) == layer.self_flops


def test_ops_of_compiled_code_have_no_flops_since_those_were_counted_in_its_layers() -> None:
    compiled = cast(nn.Module, torch.compile(nn.Sequential(nn.Linear(4, 4, bias=False)), backend="eager"))

    profile = lp.profile(compiled, torch.ones(2, 4), passes=OPS, warmup=1, repeats=1)

    assert calls_of(profile.root, "aten::mm") == 1
    assert {op.flops for op in profile.root.ops} == {None}
    assert profile["0"].flops == 2 * 2 * 4 * 4


def test_ops_take_no_more_than_the_step() -> None:
    profile = lp.profile(ThreeOfOne(), torch.ones(4, 8), passes=("ops",), warmup=0, repeats=1)

    assert profile.timeline is not None
    steps = profile.timeline.steps
    for number in range(RECORDED):
        whole_s = (steps["end_ns"][number] - steps["start_ns"][number]) / 1e9
        assert sum(op.self_s.samples[number] for layer in profile.layers for op in layer.ops if op.self_s) < whole_s


def test_the_timeline_has_a_range_for_every_call_of_the_recorded_steps() -> None:
    net = NestedNet()

    profile = lp.profile(net, net.inputs, passes=("ops",), warmup=0, repeats=1)

    assert profile.timeline is not None
    layers = [profile.layers[index].path for index in profile.timeline.ranges["layer"].tolist()]
    assert layers == ["", "block", "block.child", "head"] * RECORDED
    assert profile.timeline.ranges["parent"].tolist() == [-1, 0, 1, 0, -1, 4, 5, 4]


def test_the_ops_pass_alone_sees_calls_and_makes_the_call_tree() -> None:
    net = NestedNet()

    profile = lp.profile(net, net.inputs, passes=("ops",), warmup=0, repeats=1)

    assert {layer.path: layer.calls for layer in profile.layers} == {"": 1, "block": 1, "block.child": 1, "head": 1}
    assert profile.call_tree is not None
    assert [node.path for node in profile.call_tree.walk()] == ["", "block", "block.child", "head"]
    assert profile.root.total_s is None


def test_a_phase_of_a_timeline_is_the_records() -> None:
    net = ThreeOfOne()

    profile = lp.profile(
        net, call=lambda: net(torch.ones(4, 8)).sum().backward(), train=True, passes=("ops",), warmup=0, repeats=1
    )

    assert profile.timeline is not None
    names = {profile.phases[phase].name for phase in profile.timeline.ops["phase"].tolist()}
    assert names == {"forward", "backward"}


def test_the_ops_passes_cost_is_stated_beside_the_time_passes() -> None:
    net = NestedNet()

    profile = lp.profile(net, net.inputs, clock=net.clock, passes=("time", "ops"), warmup=0, repeats=6)

    assert [(one.pass_name, one.ratio) for one in profile.overhead] == [("time", 1.0), ("ops", 1.0)]


def test_a_profile_keeps_its_timeline_in_a_file_beside_it(tmp_path: Path) -> None:
    profile = lp.profile(ThreeOfOne(), torch.ones(4, 8), passes=OPS, warmup=0, repeats=1)

    lp.save(profile, tmp_path / "profile.json")
    loaded = lp.load(tmp_path / "profile.json")

    assert (tmp_path / "profile.timeline.npz").is_file()
    assert loaded == profile
    assert isinstance(loaded, lp.Profile)
    assert loaded.timeline is not None
    assert profile.timeline is not None
    assert loaded.timeline.strings == profile.timeline.strings
    assert loaded.timeline.ops["start_ns"].tolist() == profile.timeline.ops["start_ns"].tolist()


def test_uncounted_ops_say_their_share_of_the_time() -> None:
    profile = lp.profile(nn.Sequential(nn.Linear(4, 4), _Sorted()), torch.ones(2, 4), passes=OPS, warmup=0, repeats=1)

    shares = {one.op: one.time_share for one in profile.uncounted}
    assert set(shares) == {"aten._linalg_det.default"}
    assert all(share is not None and 0 < share < 1 for share in shares.values())


class _Sorted(nn.Module):
    """Does something that is in no table."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        determinant: torch.Tensor = torch.linalg.det(x.T @ x)
        return determinant


@contextmanager
def torch_profiler() -> Iterator[None]:
    with torch.profiler.profile(activities=[ProfilerActivity.CPU]):
        yield


def test_a_profiler_that_is_running_already_is_refused_before_anything_runs() -> None:
    net = NestedNet()
    calls: list[int] = []
    net.register_forward_hook(lambda *_: calls.append(1))

    with torch_profiler(), pytest.raises(lp.MeasurementError, match="leave 'ops' out of passes"):
        lp.profile(net, net.inputs, passes=("time", "ops"))

    assert calls == []


def test_a_loop_refuses_a_running_profiler_at_its_beginning() -> None:
    with torch_profiler(), pytest.raises(lp.MeasurementError, match="a torch profiler is running already"):
        lp.Profiler(NestedNet(), passes=("time", "ops"))


def test_other_passes_go_on_under_a_running_profiler() -> None:
    net = NestedNet()

    with torch_profiler():
        profile = lp.profile(net, net.inputs, passes=("time", "flops"), warmup=0, repeats=1)

    assert profile.root.calls == 1


def test_the_session_is_over_after_a_step_of_it_raised() -> None:
    net = NestedNet()
    steps: list[int] = []

    def step() -> None:
        steps.append(1)
        net(net.inputs)
        if len(steps) == 4:  # bare, bare before the session, the sacrificed step, the first recorded one
            raise ValueError("in the session")

    with pytest.raises(lp.MeasurementError, match="in the ops pass: in the session") as caught:
        lp.profile(net, call=step, passes=("ops",), warmup=0, repeats=1)

    assert not is_profiling()
    partial = caught.value.partial
    assert partial is not None
    assert partial.timeline is None
    assert "pass_not_finished" in {note.code for note in partial.notes if note.quantity == "ops"}


def test_a_loops_steps_go_to_the_ops_pass_once() -> None:
    net = NestedNet()

    with lp.Profiler(net, passes=("bare", "time", "ops"), clock=net.clock) as profiler:
        for _ in range(7):
            with profiler.step():
                net(net.inputs)
    profile = profiler.result()

    assert profile.latency_s is not None
    assert profile.step_s is not None
    assert (profile.latency_s.n, profile.step_s.n) == (3, 3)
    assert profile.timeline is not None
    assert profile.timeline.steps["start_ns"].size == 1
    assert calls_of(profile["head"], "aten::matmul") == 2
    assert [check for check in profile.checks if not check.ok] == []


def test_ops_of_a_layer_on_another_thread_are_the_layers() -> None:
    layer = nn.Linear(4, 4, bias=False)
    net = nn.Sequential(layer)

    def step() -> None:
        aside = threading.Thread(target=layer, args=(torch.ones(2, 4),))
        aside.start()
        aside.join()

    profile = lp.profile(net, call=step, passes=("ops",), warmup=0, repeats=1)

    assert calls_of(profile["0"], "aten::mm") == 1
