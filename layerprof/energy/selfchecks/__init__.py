"""Checks of joules that need no second meter: what has to be so if they are right.

A check that fails says that one kind of load is not to be believed, not that nothing is: a counter that looks a quarter
of the time fails ``mixture`` and is right about steady loads.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from layerprof.energy.base import EnergySource, Load
from layerprof.energy.selfchecks.agreement import repeatability, twins, two_sources
from layerprof.energy.selfchecks.base import Bench, Meter, SelfCheck, not_made
from layerprof.energy.selfchecks.linearity import linearity
from layerprof.energy.selfchecks.mixture import mixture, mixture_shuffled
from layerprof.energy.selfchecks.resting import null, time_dilation
from layerprof.errors import MeasurementError, UnavailableError
from layerprof.records import EnergyCounter

__all__ = ["Meter", "SelfCheck", "run_checks"]

_FIRST_WINDOWS = 5  # of each load, before all checks
_CHECKS: tuple[tuple[str, str, Callable[[Bench], SelfCheck]], ...] = (
    ("linearity", "intercept_j", linearity),
    ("mixture", "ratio", mixture),
    ("mixture_shuffled", "ratio", mixture_shuffled),
    ("time_dilation", "power_w", time_dilation),
    ("null", "power_w", null),
    ("twins", "share", twins),
    ("two_sources", "ratio", two_sources),
    ("repeatability", "ratio", repeatability),  # last, since it compares with the first round
)


def run_checks(
    meter: Meter,
    counter: EnergyCounter,
    loads: tuple[Load, Load],
    *,
    power: EnergySource | None = None,
    draw: random.Random,
    tell: Callable[[str], None] | None = None,
) -> tuple[SelfCheck, ...]:
    """All checks, one after the other; one that cannot be made says why and the others go on.

    Args:
        meter: that takes the windows.
        counter: as qualified.
        loads: two of different power.
        power: a power sensor beside the counter, summed, or None.
        draw: where random delays come from.
        tell: is called with the name of what comes next.
    """
    say = tell or (lambda name: None)
    say("first round")
    try:
        bench = _first_round(meter, counter, loads, power, draw)
    except (MeasurementError, UnavailableError) as err:
        return tuple(not_made(name, quantity, str(err)) for name, quantity, _ in _CHECKS)
    found = []
    for name, quantity, check in _CHECKS:
        say(name)
        try:
            found.append(check(bench))
        except (MeasurementError, UnavailableError) as err:
            found.append(not_made(name, quantity, str(err)))
    return tuple(found)


def _first_round(
    meter: Meter,
    counter: EnergyCounter,
    loads: tuple[Load, Load],
    power: EnergySource | None,
    draw: random.Random,
) -> Bench:
    (load, other), (call_s, other_s) = loads, (meter.calibrate(loads[0]), meter.calibrate(loads[1]))
    return Bench(
        meter=meter,
        counter=counter,
        load=load,
        other=other,
        call_s=call_s,
        other_s=other_s,
        first=tuple(meter.measure_many(load, call_s, _FIRST_WINDOWS)),
        other_first=tuple(meter.measure_many(other, other_s, _FIRST_WINDOWS)),
        power=power,
        draw=draw,
    )
