"""Faults that only a device has: memory that runs out inside a layer, and another profiler that holds the device."""

from __future__ import annotations

import pytest
import torch
from torch.profiler import ProfilerActivity

import layerprof as lp
from gpu.subjects import Greedy, some_input
from layerprof.instruments import is_profiling

WARMUP, REPEATS = 1, 2
CALLS_OF_TIME_PASS = WARMUP + 1 + 2 * REPEATS  # warm-up, the first hooked step, bare steps and timed ones


def profile_until_memory_runs_out(model: Greedy) -> lp.MeasurementError:
    with pytest.raises(lp.MeasurementError, match="out of memory in the ops pass") as caught:
        lp.profile(model, some_input(), passes=("time", "ops"), warmup=WARMUP, repeats=REPEATS)
    return caught.value


def test_memory_that_runs_out_keeps_the_finished_passes() -> None:
    error = profile_until_memory_runs_out(Greedy(calls=CALLS_OF_TIME_PASS + 2))

    assert error.partial is not None
    assert error.partial.step_s is not None
    assert error.partial.step_s.n == REPEATS
    assert error.partial.device_total_s is None
    assert [check for check in error.partial.checks if not check.ok] == []


def test_memory_that_runs_out_leaves_no_trace() -> None:
    model = Greedy(calls=CALLS_OF_TIME_PASS + 2)

    profile_until_memory_runs_out(model)

    assert not is_profiling()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_the_next_profile_is_whole() -> None:
    profile_until_memory_runs_out(Greedy(calls=CALLS_OF_TIME_PASS + 2))

    profile = lp.profile(Greedy(calls=1 << 20), some_input(), passes=("time", "ops"), warmup=1, repeats=1)

    assert [check for check in profile.checks if not check.ok] == []
    assert profile["inner"].device_total_s is not None
    assert profile["inner"].device_total_s.median > 0


def test_a_running_profiler_is_refused() -> None:
    model = Greedy(calls=1 << 20)

    with (
        torch.profiler.profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]),
        pytest.raises(lp.MeasurementError, match="profiler is running already"),
    ):
        lp.profile(model, some_input(), passes=("time", "ops"), warmup=1, repeats=1)

    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
