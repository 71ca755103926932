"""Real architectures: the books close, and FLOPs equal a count made without any of our code."""

from __future__ import annotations

import math

import pytest
from architectures import ARCHITECTURES, Architecture
from function_counter import function_flops

import layerprof as lp

SLOW = "blip2-tiny"
CLOSED_TO = 1e-9  # of the step: samples are whole nanoseconds, so only the sums round


def _param(one: Architecture) -> object:
    """Marked slow where it takes seconds."""
    marks = [pytest.mark.slow] if one.name == SLOW else []
    return pytest.param(one, id=one.id, marks=marks)


@pytest.fixture(scope="module", params=map(_param, ARCHITECTURES))
def architecture(request: pytest.FixtureRequest) -> Architecture:
    made: Architecture = request.param
    return made


@pytest.fixture(scope="module")
def profile(architecture: Architecture) -> lp.Profile:
    inputs = architecture.inputs()
    return lp.profile(architecture.model(), inputs, passes=("time", "flops", "memory"), warmup=1, repeats=3)


@pytest.fixture(scope="module")
def independent_flops(architecture: Architecture) -> int:
    return function_flops(architecture.model(), architecture.inputs())


def test_the_attention_asked_for_is_in_force(architecture: Architecture, profile: lp.Profile) -> None:
    in_force = {part.attention for part in profile.spec.parts} - {None}

    assert architecture.attention is None or in_force == {architecture.attention}


def test_every_check_holds(profile: lp.Profile) -> None:
    assert [check for check in profile.checks if not check.ok] == []
    assert {"phase_books", "peak_books"} <= {check.name for check in profile.checks}


def test_host_time_closes_in_every_step(profile: lp.Profile) -> None:
    assert profile.step_s is not None
    assert profile.unattributed_s is not None
    rows = [layer.self_s for layer in profile.layers]

    for step, (whole, left) in enumerate(zip(profile.step_s.samples, profile.unattributed_s.samples, strict=True)):
        parts = math.fsum(row.samples[step] for row in rows if row)
        assert math.isclose(parts + left, whole, rel_tol=CLOSED_TO)


def test_flops_close(profile: lp.Profile) -> None:
    parts = [layer.self_flops for layer in profile.layers]

    assert None not in parts
    assert profile.unattributed_flops is not None
    assert sum(part or 0 for part in parts) + profile.unattributed_flops == profile.phases[0].flops


def test_flops_equal_the_independent_count(profile: lp.Profile, independent_flops: int) -> None:
    assert profile.root.flops == profile.step_flops == independent_flops
    assert profile.uncounted == ()


def test_the_call_trees_top_is_the_root_and_its_calls_are_those_of_the_rows(profile: lp.Profile) -> None:
    assert profile.call_tree is not None
    calls = dict.fromkeys((layer.path for layer in profile.layers), 0)
    for node in profile.call_tree.walk():
        calls[node.path] += node.calls

    assert profile.call_tree.calls == 1
    assert calls == {layer.path: layer.calls for layer in profile.layers}


def test_stages_add_up_to_the_layers(profile: lp.Profile) -> None:
    members = [path for stage in profile.stages for path in stage.paths]

    assert sorted(members) == sorted(layer.path for layer in profile.layers)
    assert sum(stage.flops or 0 for stage in profile.stages) == profile.root.flops
    assert sum(stage.param_count or 0 for stage in profile.stages) == profile.root.param_count


def test_the_root_holds_every_parameter_once(architecture: Architecture, profile: lp.Profile) -> None:
    assert profile.root.param_count == sum(one.numel() for one in architecture.model().parameters())


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_count_flops_equals_the_independent_count(
    architecture: Architecture, device: str, independent_flops: int
) -> None:
    report = lp.count_flops(architecture.model(device), architecture.inputs())

    assert report.total == report.by_layer[""] == independent_flops


def test_count_flops_gives_every_layer_what_the_flops_pass_gives(
    architecture: Architecture, profile: lp.Profile
) -> None:
    report = lp.count_flops(architecture.model(), architecture.inputs())

    assert dict(report.by_layer) == {layer.path: layer.flops for layer in profile.layers}
    assert report.uncounted == profile.uncounted


def test_peak_memory_is_at_least_what_the_step_returns(profile: lp.Profile) -> None:
    assert profile.memory is not None
    assert profile.root.output_bytes is not None
    assert profile.memory.step_peak_bytes >= profile.root.output_bytes > 0


@pytest.mark.parametrize("name", ["bert", "t5", pytest.param(SLOW, marks=pytest.mark.slow)])
def test_both_attentions_have_the_same_flops(name: str) -> None:
    eager, sdpa = (lp.count_flops(one.model(), one.inputs()).total for one in ARCHITECTURES if one.name == name)

    assert eager == sdpa > 0
