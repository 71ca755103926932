"""Joules on hardware: a counter that qualifies, books that close, and an idle card that is told from a busy one."""

from __future__ import annotations

import pytest

import layerprof as lp
from gpu.subjects import blip2


@pytest.fixture(scope="module")
def profile() -> lp.Profile:
    model, inputs = blip2()
    options = lp.EnergyOptions(windows=3, member_windows=2, max_s=120.0)
    found = lp.profile(model, inputs, passes=("time", "ops", "energy"), repeats=6, energy_options=options)
    if found.energy is None:
        pytest.skip(next(str(note) for note in found.notes if note.quantity == "energy"))
    return found


def test_the_counter_is_accepted_and_knows_idle_from_work(profile: lp.Profile) -> None:
    assert profile.energy is not None
    counter = profile.energy.counter
    assert counter.verdict in ("accepted", "restricted")
    assert counter.tick_s is None or 0.001 < counter.tick_s < 1.0
    assert profile.energy.step.power_w is not None
    assert 0.0 < profile.energy.step.power_w < 1.5 * (counter.limit_w or 1500.0)


def test_the_parts_add_up_to_the_step_within_a_fifth(profile: lp.Profile) -> None:
    assert profile.energy is not None
    assert profile.energy.closure is not None
    assert profile.energy.closure.ratio == pytest.approx(1.0, abs=0.2)


def test_every_check_holds(profile: lp.Profile) -> None:
    assert [check.name for check in profile.checks if not check.ok] == []
