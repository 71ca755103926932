"""The inert records that stand in the middle: measurement writes them, analysis maps them, renderers read them."""

from layerprof.records.base import (
    OTHER_STAGE,
    SCHEMA,
    ActivityKind,
    Bound,
    CeilingsKind,
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
from layerprof.records.ceilings import Ceilings
from layerprof.records.flops import FlopReport
from layerprof.records.layers import (
    CallNode,
    KernelProfile,
    LayerProfile,
    OpProfile,
    PhaseProfile,
    Quantities,
    StageProfile,
)
from layerprof.records.memory import MemorySummary, PeakOwner
from layerprof.records.profile import Environment, PartInfo, Profile, ProfileSpec
from layerprof.records.samples import Prompt, Sample
from layerprof.records.structure import LayerInfo, PhaseRules, family_of
from layerprof.records.sweeps import AxisValue, CellFailure, CellRecord, CellStatus, PlanRecord, SweepRecord
from layerprof.records.timeline import Columns, Timeline
from layerprof.records.typical import middle_steps, typical

__all__ = [
    "OTHER_STAGE",
    "SCHEMA",
    "ActivityKind",
    "AxisValue",
    "Bound",
    "CallNode",
    "Ceilings",
    "CeilingsKind",
    "CellFailure",
    "CellRecord",
    "CellStatus",
    "Check",
    "Columns",
    "Distribution",
    "Energy",
    "EnergyKind",
    "Environment",
    "FlopReport",
    "FrozenMapping",
    "KernelProfile",
    "Kind",
    "LayerInfo",
    "LayerProfile",
    "MemorySummary",
    "Note",
    "OpProfile",
    "Overhead",
    "PartInfo",
    "PeakOwner",
    "PhaseProfile",
    "PhaseRules",
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
    "family_of",
    "middle_steps",
    "typical",
]
