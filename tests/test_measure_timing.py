"""When warming up ends, when there are enough steps, and in which order bare and hooked ones come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, count, repeat

import pytest
import torch
from torch import nn

import layerprof as lp
from layerprof.measure.base import MAX_REPEATS, MAX_WARMUP, MEASURE_SECONDS, MIN_REPEATS, WARMUP_SECONDS
from layerprof.testing import FakeClock


class Scheduled(nn.Module):
    """Takes the next of the given seconds in each step, and remembers which steps were hooked."""

    def __init__(self, schedule_s: Iterator[float]) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.hooked: list[bool] = []
        self._schedule_s = schedule_s

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.hooked.append(bool(self._forward_pre_hooks))
        self.clock.advance_s(next(self._schedule_s))
        return x


def profile_of(model: Scheduled, *, warmup: int | None = None, repeats: int | None = None) -> lp.Profile:
    return lp.profile(model, torch.ones(1), clock=model.clock, passes=("time",), warmup=warmup, repeats=repeats)


def warmup_steps(profile: lp.Profile) -> int:
    return profile.warmup_s.n if profile.warmup_s else 0


def bare_steps(profile: lp.Profile) -> int:
    return profile.latency_s.n if profile.latency_s else 0


def test_warming_up_ends_at_a_plateau() -> None:
    profile = profile_of(Scheduled(chain((0.9, 0.5, 0.4, 0.3), repeat(0.25))), repeats=1)

    assert warmup_steps(profile) == 9  # the median of the three before the last three is 0.25 s for the first time


def test_warming_up_goes_on_while_steps_get_faster_up_to_a_limit() -> None:
    profile = profile_of(Scheduled(0.01 * 0.9**step for step in count()), repeats=1)

    assert warmup_steps(profile) == MAX_WARMUP


def test_warming_up_ends_when_it_took_long_enough() -> None:
    step_s = WARMUP_SECONDS / 2.5

    profile = profile_of(Scheduled(repeat(step_s)), repeats=1)

    assert warmup_steps(profile) == 3


def test_the_first_hooked_step_is_not_kept_after_a_warm_up() -> None:
    model = Scheduled(chain((1.0, 77.0), repeat(1.0)))

    profile = profile_of(model, warmup=1, repeats=2)

    assert profile.step_s == lp.Distribution(samples=(1.0, 1.0))
    assert model.hooked == [False, True, False, True, True, False]


def test_without_a_warm_up_every_step_is_kept() -> None:
    model = Scheduled(iter((1.0, 2.0, 3.0, 4.0)))

    profile = profile_of(model, warmup=0, repeats=2)

    assert profile.latency_s == lp.Distribution(samples=(1.0, 4.0))
    assert profile.step_s == lp.Distribution(samples=(2.0, 3.0))


def test_bare_and_hooked_steps_swap_their_order_each_time() -> None:
    model = Scheduled(repeat(1.0))

    profile_of(model, warmup=0, repeats=4)

    assert model.hooked == [False, True, True, False] * 2


def test_drift_falls_on_both_alike() -> None:
    model = Scheduled(float(step) for step in count(1))  # every step a second slower than the one before

    profile = profile_of(model, warmup=0, repeats=6)

    assert profile.latency_s is not None
    assert profile.step_s is not None
    assert profile.latency_s.mean == profile.step_s.mean


def test_the_overhead_is_that_of_neighbours() -> None:
    pairs = ((step, 1.25 * step) for step in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0))
    in_order = (pair if turn % 2 == 0 else pair[::-1] for turn, pair in enumerate(pairs))

    profile = profile_of(Scheduled(chain.from_iterable(in_order)), warmup=0, repeats=6)

    assert profile.overhead == (lp.Overhead(pass_name="time", ratio=1.25, ci95=(1.25, 1.25)),)


def test_steady_steps_are_enough_at_the_fewest() -> None:
    assert bare_steps(profile_of(Scheduled(repeat(0.01)))) == MIN_REPEATS


def alternating(step: int) -> float:
    """Far apart and fast: the interval never gets narrow, and time never gets long."""
    return 0.001 if step % 4 < 2 else 0.002


def test_unsteady_steps_end_at_a_limit() -> None:
    profile = profile_of(Scheduled(map(alternating, count())), warmup=0)

    assert bare_steps(profile) == MAX_REPEATS


def test_unsteady_slow_steps_end_when_they_took_long_enough() -> None:
    schedule_s = (MEASURE_SECONDS / 20 * (1 + step % 4 // 2) for step in count())

    profile = profile_of(Scheduled(schedule_s), warmup=0)

    assert MIN_REPEATS < bare_steps(profile) < 20


def test_very_slow_steps_are_run_as_often_as_an_interval_needs() -> None:
    profile = profile_of(Scheduled(repeat(MEASURE_SECONDS)), warmup=0)

    assert bare_steps(profile) == MIN_REPEATS


@pytest.mark.parametrize(("schedule", "is_noted"), [(alternating, True), (lambda step: 0.001, False)])
def test_an_unsteady_measurement_is_noted(schedule: Callable[[int], float], is_noted: bool) -> None:
    profile = profile_of(Scheduled(map(schedule, count())), warmup=0, repeats=12)

    assert ("unsteady" in {note.code for note in profile.notes}) is is_noted


def test_without_a_time_pass_only_bare_steps_are_run() -> None:
    model = Scheduled(repeat(1.0))

    profile = lp.profile(model, torch.ones(1), clock=model.clock, passes=(), warmup=1, repeats=3)

    assert model.hooked == [False] * 4
    assert (profile.latency_s, profile.step_s) == (lp.Distribution(samples=(1.0,) * 3), None)
    assert [check for check in profile.checks if not check.ok] == []


def test_a_pass_that_is_asked_for_twice_runs_once() -> None:
    model = Scheduled(repeat(1.0))

    profile = lp.profile(
        model, torch.ones(1), clock=model.clock, passes=("time", "flops", "time", "flops"), warmup=0, repeats=1
    )

    assert profile.spec.passes == ("time", "flops")
    assert len(model.hooked) == 3
