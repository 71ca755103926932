"""Joules: sources, what a counter is worth, windows, and checks without a meter.

sources ─▶ qualification ─▶ windows ─▶ powers of members, or by regression
                               └────▶ self-checks
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from layerprof.energy.base import (
    DeviceState,
    EnergySource,
    Load,
    PolledEnergy,
    Refusal,
    SourceError,
    SourceFacts,
    Sources,
    UnavailableCode,
    WatchedSource,
    Window,
    WindowPlan,
)
from layerprof.energy.drift import Drift, drift_of
from layerprof.energy.members import MemberPowers, member_powers
from layerprof.energy.qualification import best_counter, qualify
from layerprof.energy.regression import Mix, regressed_powers
from layerprof.energy.selfchecks import SelfCheck, run_checks
from layerprof.energy.sources import DeviceAsked, device_asked, estimated_source, sources_of
from layerprof.energy.windows import (
    WindowMeter,
    calibrate,
    call_j_of,
    call_s_of,
    flags_of,
    plan_windows,
    power_of,
    quantisation_rel_of,
)

if TYPE_CHECKING:
    from layerprof.clock import PacedClock
    from layerprof.records import EnergyCounter

ESTIMATE = "estimate"  # the name by which an assumption is asked for, with its watts behind a colon

__all__ = [
    "ESTIMATE",
    "DeviceAsked",
    "DeviceState",
    "Drift",
    "EnergySource",
    "Load",
    "MemberPowers",
    "Mix",
    "PolledEnergy",
    "Refusal",
    "SelfCheck",
    "SourceError",
    "SourceFacts",
    "Sources",
    "UnavailableCode",
    "WatchedSource",
    "Window",
    "WindowMeter",
    "WindowPlan",
    "best_counter",
    "calibrate",
    "call_j_of",
    "call_s_of",
    "device_asked",
    "drift_of",
    "estimated_source",
    "flags_of",
    "member_powers",
    "plan_windows",
    "power_of",
    "qualify",
    "quantisation_rel_of",
    "regressed_powers",
    "self_checks",
    "sources_of",
]


def self_checks(  # noqa: PLR0913 - what is checked and with what, and nothing that could be a record of its own
    source: EnergySource,
    counter: EnergyCounter,
    clock: PacedClock,
    load: Load,
    other_load: Load,
    *,
    power: EnergySource | None = None,
    draw: random.Random,
    tell: Callable[[str], None] | None = None,
) -> tuple[SelfCheck, ...]:
    """Checks of a qualified counter that need no second meter; some three minutes where it ticks every 100 ms.

    Args:
        source: that is read.
        counter: what qualification found out about it.
        clock: that windows are timed by.
        load: that keeps the device at work.
        other_load: of clearly different power.
        power: a power sensor beside the counter, summed, or None.
        draw: where random delays come from.
        tell: is called with the name of each check before it begins.

    Raises:
        MeasurementError: where the counter was rejected.
    """
    meter = WindowMeter(source, clock, plan_windows(counter), draw)
    return run_checks(meter, counter, (load, other_load), power=power, draw=draw, tell=tell)
