"""Device time on hardware: kinds of activities, streams that overlap, gaps, the sacrificed step, backward, no syncs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import torch
from torch import nn

import layerprof as lp
from gpu.subjects import (
    SPIN_S,
    WIDTH,
    Copier,
    Host,
    QueryKeyValue,
    Sleeper,
    TwoStreams,
    some_input,
)
from layerprof.attribute.base.ops import STEP_PREFIX
from layerprof.clock import SystemClock
from layerprof.instruments import OpsSession, RangeRecorder, Site, SpanRecorder

RECORDED = 2  # steps that a session keeps


def profile_of(model: nn.Module) -> lp.Profile:
    return lp.profile(model, some_input(), passes=("time", "ops"), warmup=1, repeats=2)


def median(distribution: lp.Distribution | None) -> float:
    assert distribution is not None
    return distribution.median


def test_copies_and_fills_are_told_from_kernels() -> None:
    root = profile_of(Copier()).root

    kinds = {kernel.kind for op in root.ops for kernel in op.kernels}
    assert kinds == {"kernel", "memcpy", "memset"}


def test_copies_to_the_host_and_back_are_told_apart() -> None:
    root = profile_of(Copier()).root

    names = " ".join(kernel.name for op in root.ops for kernel in op.kernels if kernel.kind == "memcpy")
    assert all(way in names for way in ("DtoH", "HtoD", "DtoD"))


def test_overlapping_streams_have_a_sum_above_their_union() -> None:
    profile = profile_of(TwoStreams())

    total_s, busy_s, span_s = (
        median(one) for one in (profile.device_total_s, profile.device_busy_s, profile.device_span_s)
    )
    assert total_s > 1.5 * busy_s
    assert busy_s <= span_s


def test_each_of_two_streams_is_its_layers() -> None:
    profile = profile_of(TwoStreams())

    left, right = (median(profile[path].device_total_s) for path in ("left", "right"))
    assert min(left, right) > 0.9 * max(left, right)
    assert median(profile.root.device_total_s) == pytest.approx(left + right)


def test_a_kernel_launched_outside_of_any_op_is_its_layers() -> None:
    (op,) = profile_of(Host())["sleeper"].ops

    assert (op.name, [kernel.calls for kernel in op.kernels]) == ("(no op)", [1])


def test_a_layer_that_keeps_the_device_waiting_has_a_gap() -> None:
    profile = profile_of(Host())

    assert median(profile["spinner"].device_idle_s) > 0.5 * SPIN_S
    assert median(profile["sleeper"].device_idle_s) == 0


def test_the_first_step_of_a_session_is_left_out() -> None:
    profile = profile_of(Sleeper())

    assert profile.timeline is not None
    assert profile.timeline.steps["start_ns"].size == RECORDED
    assert profile.device_total_s is not None
    assert profile.device_total_s.n == RECORDED


def test_every_step_has_all_of_its_kernels() -> None:
    total_s = profile_of(Sleeper()).device_total_s

    assert total_s is not None
    assert min(total_s.samples) > 0.8 * max(total_s.samples)


def test_backward_work_is_that_of_the_layer_that_caused_it() -> None:
    model = QueryKeyValue()

    profile = lp.profile(
        model,
        call=lambda: model(some_input()).sum().backward(),
        train=True,
        passes=("time", "ops"),
        warmup=1,
        repeats=2,
    )

    times = [median(profile[path].by_phase["backward"].device_self_s) for path in ("query", "key", "value")]
    assert min(times) > 0.2 * max(times)  # each does the same two products


def test_backward_ran_on_a_thread_of_the_engine() -> None:
    model = QueryKeyValue()

    profile = lp.profile(
        model, call=lambda: model(some_input()).sum().backward(), train=True, passes=("ops",), warmup=1, repeats=1
    )

    assert profile.timeline is not None
    backward = [phase.name for phase in profile.phases].index("backward")
    threads = set(profile.timeline.ops["thread"][profile.timeline.ops["phase"] == backward].tolist())
    assert threads - set(profile.timeline.steps["thread"].tolist())


@pytest.mark.parametrize("instrument", ["time", "ops"])
def test_no_hook_waits_for_the_device(instrument: str) -> None:
    model = nn.Sequential(*(nn.Linear(WIDTH, WIDTH, device="cuda") for _ in range(20)))
    sites = [Site(index=index, module=module) for index, module in enumerate(model.modules())]
    steps, session = RangeRecorder(), OpsSession(has_device=True)

    with torch.no_grad(), session.running(), hooks_of(instrument, steps, sites):
        for _ in range(2):
            with steps.step():
                model(some_input())
            torch.cuda.synchronize()

    assert list(waits_within_steps(session)) == []


def hooks_of(instrument: str, ranges: RangeRecorder, sites: list[Site]) -> AbstractContextManager[None]:
    return ranges.installed(sites) if instrument == "ops" else spans_of(sites)


@contextmanager
def spans_of(sites: list[Site]) -> Iterator[None]:
    recorder = SpanRecorder(SystemClock())
    with recorder.installed(sites):
        recorder.begin()
        yield


def waits_within_steps(session: OpsSession) -> Iterator[str]:
    """Calls of the runtime that wait, during the model's own work."""
    events = [event for event in session.take_events() if str(event.device_type()).endswith("CPU")]
    steps = [(event.start_ns(), event.end_ns()) for event in events if event.name().startswith(STEP_PREFIX)]
    assert steps
    for event in events:
        if "Synchronize" in event.name() and any(begin <= event.start_ns() <= end for begin, end in steps):
            yield event.name()
