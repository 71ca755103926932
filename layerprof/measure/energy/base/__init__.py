"""What all of the energy pass shares: its records, following calls of a step, copying and restoring inputs."""

from layerprof.measure.energy.base.budget import copies_budget_bytes
from layerprof.measure.energy.base.conditions import AutocastState, Conditions, conditions_now
from layerprof.measure.energy.base.following import CallListener, StepFollower
from layerprof.measure.energy.base.state import Saved, Versions, put_back, random_state, state_of, unchanged, weights_of
from layerprof.measure.energy.base.structure import (
    Undo,
    bytes_of,
    cloned,
    held_tensors,
    structural_copy,
)
from layerprof.measure.energy.base.units import (
    CallSignature,
    Captured,
    Captures,
    Missed,
    ReplayCopy,
    Survey,
    UnitCalls,
    UnitClass,
    UnitKey,
    Verdict,
    Wanted,
)

__all__ = [
    "AutocastState",
    "CallListener",
    "CallSignature",
    "Captured",
    "Captures",
    "Conditions",
    "Missed",
    "ReplayCopy",
    "Saved",
    "StepFollower",
    "Survey",
    "Undo",
    "UnitCalls",
    "UnitClass",
    "UnitKey",
    "Verdict",
    "Versions",
    "Wanted",
    "bytes_of",
    "cloned",
    "conditions_now",
    "copies_budget_bytes",
    "held_tensors",
    "put_back",
    "random_state",
    "state_of",
    "structural_copy",
    "unchanged",
    "weights_of",
]
