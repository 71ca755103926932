"""Instruments: one file a pass, each put around a model's calls and taken off without a trace."""

from layerprof.instruments.backward import BackwardFollower
from layerprof.instruments.base import Site
from layerprof.instruments.callpaths import CallPaths
from layerprof.instruments.kineto import OpsSession, is_profiling, read_columns
from layerprof.instruments.memory import (
    CudaMeter,
    MemoryMeter,
    MemoryRecorder,
    MeterReading,
    RecordedMemory,
    StorageMeter,
)
from layerprof.instruments.phases import BACKWARD_PHASE, GenerationPhases, PhaseListener, TrainingPhases
from layerprof.instruments.ranges import RangeRecorder
from layerprof.instruments.spans import SpanRecorder

__all__ = [
    "BACKWARD_PHASE",
    "BackwardFollower",
    "CallPaths",
    "CudaMeter",
    "GenerationPhases",
    "MemoryMeter",
    "MemoryRecorder",
    "MeterReading",
    "OpsSession",
    "PhaseListener",
    "RangeRecorder",
    "RecordedMemory",
    "Site",
    "SpanRecorder",
    "StorageMeter",
    "TrainingPhases",
    "is_profiling",
    "read_columns",
]
