"""The memory pass's instrument: what each call allocated, how high it stood, and who owned the bytes at the peak.

    storages ── births, growths, deaths ──► StorageLog ── allocated, alive at the peak ──┐
    meter ── live, allocated, peak at both ends of calls ──► MemoryRecorder ── peak, output ──┴──► RecordedMemory

A place is a call path in a phase, as call paths number them; negative numbers are work under no layer. On the CPU the
meter is the storages' own; on CUDA it is the caching allocator's, and the storages say whose its bytes are.
"""

from layerprof.instruments.memory.allocator import CudaMeter
from layerprof.instruments.memory.base import NO_LAYER, MemoryMeter, MeterReading, StorageLog
from layerprof.instruments.memory.recorder import MemoryRecorder, RecordedMemory, tensor_bytes
from layerprof.instruments.memory.storages import StorageMeter

__all__ = [
    "NO_LAYER",
    "CudaMeter",
    "MemoryMeter",
    "MemoryRecorder",
    "MeterReading",
    "RecordedMemory",
    "StorageLog",
    "StorageMeter",
    "tensor_bytes",
]
