"""Allocations in the timeline: those of a real session, and a note where torch tells none."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn

import layerprof as lp
from layerprof.testing import ThreadNet

FLOAT_BYTES = 4
ROWS, WIDTH = 32, 64


class Doubler(nn.Module):
    """Takes one piece of memory for its result and gives back its input's."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.profiler.record_function("doubling"):
            return x + x


class Chain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Doubler(), Doubler()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.second(self.first(x))
        return result


@pytest.fixture(scope="module")
def profile() -> lp.Profile:
    return lp.profile(Chain(), torch.ones(ROWS, WIDTH), passes=("time", "ops"), warmup=0, repeats=1)


def timeline_of(profile: lp.Profile) -> lp.Timeline:
    assert profile.timeline is not None
    return profile.timeline


def test_each_result_is_one_allocation_of_its_bytes(profile: lp.Profile) -> None:
    table = timeline_of(profile).allocations

    taken = table["bytes"][table["bytes"] > 0]

    steps = timeline_of(profile).steps["start_ns"].size
    assert np.count_nonzero(taken == ROWS * WIDTH * FLOAT_BYTES) == 2 * steps


def test_what_is_given_back_was_taken_at_the_same_address(profile: lp.Profile) -> None:
    table = timeline_of(profile).allocations
    held: dict[int, int] = {}

    for address, size in zip(table["address"].tolist(), table["bytes"].tolist(), strict=True):
        if size > 0:
            assert address not in held
            held[address] = size
        elif address in held:  # else it was taken before the first step
            assert held.pop(address) == -size


def test_what_is_held_changes_by_what_is_taken(profile: lp.Profile) -> None:
    table = timeline_of(profile).allocations

    assert np.array_equal(np.diff(table["allocated_bytes"]), table["bytes"][1:])


def test_allocations_are_the_hosts_within_the_steps_on_their_thread(profile: lp.Profile) -> None:
    timeline = timeline_of(profile)
    table, steps = timeline.allocations, timeline.steps

    assert set(table["device"].tolist()) == {-1}
    assert set(table["thread"].tolist()) == set(steps["thread"].tolist())
    assert table["time_ns"].min() >= steps["start_ns"][0]
    assert table["time_ns"].max() <= steps["end_ns"][-1]
    assert (np.diff(table["time_ns"]) >= 0).all()


def test_a_range_of_the_users_is_marked_as_no_op(profile: lp.Profile) -> None:
    timeline = timeline_of(profile)

    marked = {timeline.strings[name] for name in timeline.ops["name"][timeline.ops["annotation"] == 1].tolist()}

    assert marked == {"doubling"}


def test_memory_is_told_without_a_note(profile: lp.Profile) -> None:
    assert not [note for note in profile.notes if note.code == "memory_on_threads"]


def test_a_model_on_several_threads_has_ops_of_all_and_a_note_for_its_allocations() -> None:
    net = ThreadNet()

    profile = lp.profile(net, net.inputs, passes=("time", "ops"), warmup=0, repeats=1)

    timeline = timeline_of(profile)
    assert len(set(timeline.ops["thread"].tolist())) > 1
    assert timeline.allocations["time_ns"].size == 0
    assert [note.quantity for note in profile.notes if note.code == "memory_on_threads"] == ["timeline"]


class LateThread(nn.Module):
    """Works on its own thread until a number of calls have been made, and then on another one too."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.here, self.there = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.calls_left = after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls_left -= 1
        if self.calls_left >= 0:
            self.there(x)
        else:
            thread = threading.Thread(target=self.there, args=(x,))
            thread.start()
            thread.join()
        result: torch.Tensor = self.here(x)
        return result


@pytest.mark.parametrize("after", range(6))
def test_a_model_that_begins_to_work_on_threads_late_loses_no_call(after: int) -> None:
    profile = lp.profile(LateThread(after), torch.ones(ROWS, WIDTH), passes=("ops",), warmup=0, repeats=1)

    timeline = timeline_of(profile)
    layer = [layer.path for layer in profile.layers].index("there")
    assert np.count_nonzero(timeline.ranges["layer"] == layer) == timeline.steps["start_ns"].size


def test_a_loop_of_ones_own_has_a_note_for_its_allocations() -> None:
    model = Chain()

    with lp.Profiler(model, passes=("ops",)) as profiler, profiler.step():
        model(torch.ones(ROWS, WIDTH))
    profile = profiler.result()

    assert "memory_on_threads" in {note.code for note in profile.notes}


def test_a_training_step_has_the_allocations_of_its_backward_too() -> None:
    model = nn.Linear(WIDTH, WIDTH, bias=False)
    inputs = torch.ones(ROWS, WIDTH)

    def step() -> None:
        model(inputs).sum().backward()
        model.zero_grad(set_to_none=True)

    profile = lp.profile(model, call=step, train=True, passes=("time", "ops"), warmup=0, repeats=1)

    timeline = timeline_of(profile)
    backward_ns = timeline.phases["start_ns"][timeline.phases["phase"] == 1][0]
    table = timeline.allocations
    gradients = (table["bytes"] == WIDTH * WIDTH * FLOAT_BYTES) & (table["time_ns"] >= backward_ns)
    assert gradients.any()
