"""The inert records that stand in the middle: measurement writes them, analysis maps them, renderers read them."""

from layerprof.records.base import (
    OTHER_STAGE,
    SCHEMA,
    Bound,
    Check,
    Distribution,
    Energy,
    EnergyKind,
    FrozenMapping,
    Kind,
    Note,
    Overhead,
    Provenance,
    UncountedOp,
)
from layerprof.records.flops import FlopReport
from layerprof.records.layers import CallNode, LayerProfile, OpProfile, PhaseProfile, Quantities, StageProfile
from layerprof.records.profile import Environment, MemorySummary, PartInfo, Profile, ProfileSpec, Timeline
from layerprof.records.samples import Prompt, Sample
from layerprof.records.structure import LayerInfo
from layerprof.records.sweeps import AxisValue, CellFailure, CellRecord, CellStatus, PlanRecord, SweepRecord

__all__ = [
    "OTHER_STAGE",
    "SCHEMA",
    "AxisValue",
    "Bound",
    "CallNode",
    "CellFailure",
    "CellRecord",
    "CellStatus",
    "Check",
    "Distribution",
    "Energy",
    "EnergyKind",
    "Environment",
    "FlopReport",
    "FrozenMapping",
    "Kind",
    "LayerInfo",
    "LayerProfile",
    "MemorySummary",
    "Note",
    "OpProfile",
    "Overhead",
    "PartInfo",
    "PhaseProfile",
    "PlanRecord",
    "Profile",
    "ProfileSpec",
    "Prompt",
    "Provenance",
    "Quantities",
    "Sample",
    "StageProfile",
    "SweepRecord",
    "Timeline",
    "UncountedOp",
]
