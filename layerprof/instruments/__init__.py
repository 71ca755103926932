"""Instruments: one file a pass, each put around a model's calls and taken off without a trace."""

from layerprof.instruments.base import Site
from layerprof.instruments.callpaths import CallPaths
from layerprof.instruments.memory import CudaMeter, MemoryMeter, MemoryRecorder, MeterReading, StorageMeter
from layerprof.instruments.spans import SpanRecorder

__all__ = [
    "CallPaths",
    "CudaMeter",
    "MemoryMeter",
    "MemoryRecorder",
    "MeterReading",
    "Site",
    "SpanRecorder",
    "StorageMeter",
]
