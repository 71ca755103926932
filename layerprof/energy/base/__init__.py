"""What all of energy shares: sources, loads, windows."""

from layerprof.energy.base.loads import Load
from layerprof.energy.base.polled import PolledEnergy, ShowsPower
from layerprof.energy.base.sources import (
    DeviceState,
    EnergySource,
    Refusal,
    SourceError,
    SourceFacts,
    Sources,
    UnavailableCode,
    is_too_long,
    refuse_long_calls,
)
from layerprof.energy.base.watched import WatchedSource
from layerprof.energy.base.windows import LONG_CALL_S, LOT_S, Reading, Window, WindowPlan

__all__ = [
    "LONG_CALL_S",
    "LOT_S",
    "DeviceState",
    "EnergySource",
    "Load",
    "PolledEnergy",
    "Reading",
    "Refusal",
    "ShowsPower",
    "SourceError",
    "SourceFacts",
    "Sources",
    "UnavailableCode",
    "WatchedSource",
    "Window",
    "WindowPlan",
    "is_too_long",
    "refuse_long_calls",
]
