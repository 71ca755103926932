"""What the sweep's side and the nodes' side of the executor ``ray`` share: their messages, and temporary folders."""

from layerprof.sweeping.executors.ray.base.messages import (
    Brought,
    Errand,
    Message,
    Sign,
    Started,
    Surroundings,
    first_line,
    pack,
    unpack,
    without_result,
)
from layerprof.sweeping.executors.ray.base.scratch import scratch_folder

__all__ = [
    "Brought",
    "Errand",
    "Message",
    "Sign",
    "Started",
    "Surroundings",
    "first_line",
    "pack",
    "scratch_folder",
    "unpack",
    "without_result",
]
