"""How long one call of a load takes."""

from __future__ import annotations

from layerprof.clock import Clock
from layerprof.energy.base import Load
from layerprof.errors import MeasurementError

_MOST_CALLS = 2**26  # that take no time at all are no work


def calibrate(load: Load, clock: Clock, *, least_s: float = 0.05) -> float:
    """Seconds of one call, from a run that is settled at both ends.

    One call goes before, for what only a first one has to do. Then the calls are doubled until a run takes long
    enough that launching and settling do not matter.

    Args:
        load: that is called.
        clock: where time comes from.
        least_s: of the run that is believed.

    Raises:
        MeasurementError: where the calls take no time.
    """
    load.launch(1)
    load.settle()
    calls = 1
    while calls <= _MOST_CALLS:
        begun_ns = clock.now_ns()
        load.launch(calls)
        load.settle()
        taken_s = (clock.now_ns() - begun_ns) / 1e9
        if taken_s >= least_s:
            return taken_s / calls
        calls *= 2
    raise MeasurementError(
        f"the time of a call was asked for, but {_MOST_CALLS} calls took less than {least_s} s; give it work to do"
    )
