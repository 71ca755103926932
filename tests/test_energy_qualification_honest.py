"""Honest counters are believed, whatever the noise and the phase, and what is found out about them is true."""

from __future__ import annotations

import pytest
from energy_benches import IDLE_W, LOAD_W, SEEDS, tried

from layerprof.testing.energy import HONEST, PRESETS


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("name", HONEST)
def test_an_honest_counter_is_accepted_and_known(name: str, seeds: range) -> None:
    preset = PRESETS[name]
    tick_s = preset.counter.tick_s

    for seed in seeds:
        counter = tried(preset, seed=seed).counter

        assert (counter.verdict, counter.findings, counter.read_rate) == ("accepted", (), "unchanged")
        assert counter.estimator == ("ticks" if tick_s >= 0.005 else "edges")
        assert counter.tick_s == pytest.approx(tick_s, rel=0.01)
        assert counter.load_w == pytest.approx(LOAD_W, rel=0.03)
        assert counter.idle_w == pytest.approx(IDLE_W, rel=0.03)
        assert counter.active_idle_w == pytest.approx(IDLE_W, rel=0.04)
        assert counter.late_s is not None
        assert 0.0 <= counter.late_s <= tick_s + 0.015
        assert 5.0 * tick_s * 0.99 <= counter.pre_roll_s <= max(0.25, 5.05 * tick_s)
        assert 10.0 < counter.duration_s < 40.0
        if preset.power is None:
            assert counter.power_ratio is None
        else:
            assert counter.power_ratio == pytest.approx(1.0, abs=0.025)
