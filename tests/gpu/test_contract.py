"""What holds of every profile holds on the device: BLIP-2 in two precisions, forward, generation and training."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import pytest
import torch
from torch import nn

import layerprof as lp
from gpu.subjects import blip2, training_step
from layerprof import models

PASSES = ("time", "ops", "flops", "memory")
TOKENS = 4
GENERATION = {"max_new_tokens": TOKENS, "min_new_tokens": TOKENS}
CHECKS = {
    "paths_unique",
    "stages_partition",
    "host_time_books",
    "flops_books",
    "phase_books",
    "device_time_books",
    "peak_books",
    "call_tree_nests",
    "call_tree_is_rows",
    "finite_and_non_negative",
    "missing_is_explained",
}
PHASES = {
    "forward": ["forward"],
    "generate": ["vision", "qformer", "prefill", "decode"],
    "training": ["forward", "backward", "optimizer"],
}


@dataclass(frozen=True)
class State:
    """What a profile must leave as it was."""

    hooks: int
    modes: tuple[bool, ...]
    allocated_bytes: int


@dataclass(frozen=True)
class Subject:
    """A profile, the FLOPs that it is to have, and the model's state before and after."""

    step: str
    profile: lp.Profile
    flops: Mapping[str, int | None]
    before: State
    after: State


@pytest.fixture(scope="module", params=[*product(("fp32", "fp16"), PHASES)], ids="-".join)
def subject(request: pytest.FixtureRequest) -> Subject:
    dtype, step = request.param
    model, inputs = blip2(dtype=dtype)
    profile_of(step, model, inputs, passes=("time",))  # libraries take their workspaces
    before = state_of(model)
    profile = profile_of(step, model, inputs, passes=PASSES)
    return Subject(step, profile, flops_elsewhere(step, model, inputs), before, state_of(model))


def profile_of(step: str, model: nn.Module, inputs: models.ModelInputs, *, passes: tuple[str, ...]) -> lp.Profile:
    if step == "training":
        call = training_step(model, inputs)
        return lp.profile(model, call=call, train=True, passes=passes, warmup=2, repeats=6)
    if step == "generate":
        return lp.profile(
            model, inputs, method="generate", method_kwargs=GENERATION, passes=passes, warmup=2, repeats=6
        )
    return lp.profile(model, inputs, passes=passes, warmup=2, repeats=6)


def flops_elsewhere(step: str, model: nn.Module, inputs: models.ModelInputs) -> Mapping[str, int | None]:
    """By layer, on fakes; of a generation, which depends on its data, on the CPU."""
    if step == "training":
        backward = training_step(model, inputs)
        return lp.count_flops(model, call=backward, train=True).by_layer
    if step == "forward":
        return lp.count_flops(model, inputs).by_layer
    profile = profile_of(step, *blip2(device="cpu"), passes=("flops",))
    return {layer.path: layer.flops for layer in profile.layers}


def state_of(model: nn.Module) -> State:
    gc.collect()
    torch.cuda.synchronize()
    hooks = sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())
    return State(hooks, tuple(module.training for module in model.modules()), torch.cuda.memory_allocated())


def test_every_check_holds(subject: Subject) -> None:
    failed = [check for check in subject.profile.checks if not check.ok]

    assert failed == []
    assert {check.name for check in subject.profile.checks} == CHECKS


def test_every_activity_has_a_launch(subject: Subject) -> None:
    notes = [str(note) for note in subject.profile.notes if note.code == "orphan_activities"]

    assert notes == []


def test_every_launch_has_an_activity(subject: Subject) -> None:
    notes = [str(note) for note in subject.profile.notes if note.code == "idle_launches"]

    assert notes == []


def test_no_activity_begins_before_its_launch(subject: Subject) -> None:
    notes = [str(note) for note in subject.profile.notes if note.code == "early_activities"]

    assert notes == []


def test_every_phase_has_device_time(subject: Subject) -> None:
    times = {phase.name: phase.device_total_s.median for phase in subject.profile.phases if phase.device_total_s}

    assert list(times) == PHASES[subject.step]
    assert min(times.values()) > 0


def test_most_device_time_is_under_layers(subject: Subject) -> None:
    whole, left = subject.profile.device_total_s, subject.profile.unattributed_device_s

    assert whole is not None
    assert left is not None
    assert left.median < 0.5 * whole.median  # the optimizer's and generate's own kernels are under no layer


def test_flops_are_those_counted_without_the_device(subject: Subject) -> None:
    assert {layer.path: layer.flops for layer in subject.profile.layers} == subject.flops


def test_the_owners_of_the_peak_are_all_of_it(subject: Subject) -> None:
    memory = subject.profile.memory

    assert memory is not None
    assert memory.owners
    assert sum(owner.size_bytes for owner in memory.owners) + memory.unowned_bytes == memory.step_peak_bytes


def test_hooks_and_modes_are_as_before(subject: Subject) -> None:
    assert (subject.after.hooks, subject.after.modes) == (subject.before.hooks, subject.before.modes)


def test_no_memory_stays_allocated(subject: Subject) -> None:
    assert subject.after.allocated_bytes == subject.before.allocated_bytes


def test_ops_name_their_kernels(subject: Subject) -> None:
    kernels = [kernel for layer in subject.profile.layers for op in layer.ops for kernel in op.kernels]

    assert any(kernel.kind == "kernel" and kernel.device_s.median > 0 for kernel in kernels)
