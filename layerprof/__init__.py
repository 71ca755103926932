"""layerprof tells which layer of a PyTorch model spends the time, the FLOPs, the memory and the joules.

    import layerprof as lp

    profile = lp.profile(model, inputs)
    print(profile)

Importing the package loads nothing heavy: every public name is imported on its first use (PEP 562). No room is named
like a function of this page, since importing a submodule would put the module in the function's place.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerprof import models
    from layerprof.boards import export_tensorboard
    from layerprof.energy import EnergySource
    from layerprof.errors import (
        InputError,
        LayerprofError,
        MeasurementError,
        MeasurementInterruptedError,
        RecordError,
        UnavailableError,
    )
    from layerprof.flops import register_flops
    from layerprof.output import load, save
    from layerprof.profiling import Profiler, count_flops, profile
    from layerprof.records import (
        CallNode,
        Ceilings,
        CellRecord,
        Check,
        Distribution,
        Energy,
        EnergyOptions,
        EnergySummary,
        FlopReport,
        KernelProfile,
        LayerProfile,
        MemorySummary,
        Note,
        OpProfile,
        Overhead,
        PeakOwner,
        PhaseProfile,
        Profile,
        RunRecord,
        StageProfile,
        SweepRecord,
        Timeline,
        UncountedOp,
    )
    from layerprof.report import render
    from layerprof.sweeping import Plan, plans, sweep
    from layerprof.traces import export_trace, load_trace

__version__ = "0.1.0"

__all__ = [
    "CallNode",
    "Ceilings",
    "CellRecord",
    "Check",
    "Distribution",
    "Energy",
    "EnergyOptions",
    "EnergySource",
    "EnergySummary",
    "FlopReport",
    "InputError",
    "KernelProfile",
    "LayerProfile",
    "LayerprofError",
    "MeasurementError",
    "MeasurementInterruptedError",
    "MemorySummary",
    "Note",
    "OpProfile",
    "Overhead",
    "PeakOwner",
    "PhaseProfile",
    "Plan",
    "Profile",
    "Profiler",
    "RecordError",
    "RunRecord",
    "StageProfile",
    "SweepRecord",
    "Timeline",
    "UnavailableError",
    "UncountedOp",
    "__version__",
    "count_flops",
    "export_tensorboard",
    "export_trace",
    "load",
    "load_trace",
    "models",
    "plans",
    "profile",
    "register_flops",
    "render",
    "save",
    "sweep",
]

_MODULES = {"models": "layerprof.models", "plans": "layerprof.sweeping.plans"}
_NAMES_OF = {
    "layerprof.boards": ("export_tensorboard",),
    "layerprof.energy": ("EnergySource",),
    "layerprof.errors": (
        "InputError",
        "LayerprofError",
        "MeasurementError",
        "MeasurementInterruptedError",
        "RecordError",
        "UnavailableError",
    ),
    "layerprof.flops": ("register_flops",),
    "layerprof.profiling": ("Profiler", "count_flops", "profile"),
    "layerprof.records": (
        "CallNode",
        "Ceilings",
        "CellRecord",
        "Check",
        "Distribution",
        "Energy",
        "EnergyOptions",
        "EnergySummary",
        "FlopReport",
        "KernelProfile",
        "LayerProfile",
        "MemorySummary",
        "Note",
        "OpProfile",
        "Overhead",
        "PeakOwner",
        "PhaseProfile",
        "Profile",
        "RunRecord",
        "StageProfile",
        "SweepRecord",
        "Timeline",
        "UncountedOp",
    ),
    "layerprof.output": ("load", "save"),
    "layerprof.report": ("render",),
    "layerprof.sweeping": ("Plan", "sweep"),
    "layerprof.traces": ("export_trace", "load_trace"),
}
_HOME_OF = {name: module for module, names in _NAMES_OF.items() for name in names}


def __getattr__(name: str) -> object:
    """The public name, imported now; it is kept, so this runs once for each."""
    if name in _MODULES:
        value: object = importlib.import_module(_MODULES[name])
    elif name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, loaded or not, and what has been imported so far."""
    return sorted({*__all__, *globals()})
