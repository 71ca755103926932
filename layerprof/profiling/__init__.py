"""The doors: `profile` for one call of a model, `Profiler` for a loop of one's own, `count_flops` without running."""

from layerprof.profiling.base import PASSES
from layerprof.profiling.counting import count_flops
from layerprof.profiling.loop import Profiler
from layerprof.profiling.once import profile

__all__ = ["PASSES", "Profiler", "count_flops", "profile"]
