"""The form of a trace file: names, numbers and categories that its writer and its reader share.

A trace is the JSON of the Trace Event Format, with the categories that torch's own exporter gives its events:

    {..., "baseTimeNanoseconds": n, "layerprof": {...}, "traceEvents": [...]}

    pid 0, 1, ...   a device; a stream is a thread of it
    pid 900000      the process that was profiled: modules, ops, launches, memory
    pid 900001      rows of layers, steps and phases, and all counters
    pid 900002 + n  rows of layers by the work that they gave device n

Source:
    Trace Event Format (Google, 2016) for phases and flows; the exporter of torch 2.13 for categories and arguments; the
    parser of torch-tb-profiler 0.4.3 for what the plugin reads.
"""

from __future__ import annotations

SCHEMA = 1
"""Version of what stands under `HEADER_KEY`."""

HEADER_KEY = "layerprof"
"""Top-level key of what layerprof knows besides the events; it stands before the events, which come last."""

HOST_PID = 900_000  # no device has so high an index
LAYERS_PID = 900_001
DEVICE_LAYERS_PID = 900_002  # of device 0; the others follow

LAYERPROF_CATEGORY = "layerprof"
MODULE_CATEGORY = "python_function"
MODULE_PREFIX = "nn.Module: "
STEP_PREFIX = "ProfilerStep#"
MEMORY_NAME = "[memory]"

LAYER_ARGUMENT = "layer"
"""In layerprof's own traces: the position of the layer that a module's event or a node of autograd's engine is of."""

CALL_ARGUMENT = "call"
"""Likewise the number of the call; where a module's event has none, its Python id is that number."""

STAND_IN_ARGUMENT = "not recorded"
"""In TensorBoard's copy: marks what its plugin needs and nobody recorded, as an op around a launch made in none."""

LAUNCH_CATEGORIES = ("cuda_runtime", "cuda_driver")
PLUGIN_LAUNCH_CATEGORY = "runtime"
"""What torch-tb-profiler 0.4.3 knows launches by; of the others it drops them, and the device's time with them."""

DEVICE_CATEGORIES = ("kernel", "gpu_memcpy", "gpu_memset")
"""Categories of device activities, by the number that a timeline's ``kind`` has for each."""

FLOW_CATEGORY = "ac2g"
"""Category of the flow from a launch to what it started."""

SUFFIXES = (".json", ".json.gz")
PLUGIN_SUFFIXES = (".pt.trace.json", ".pt.trace.json.gz")
"""Names by which the plugin finds its files."""


def is_for_plugin(name: str) -> bool:
    """Whether a file of this name is the plugin's copy, which has its launches in the category that it knows."""
    return name.endswith(PLUGIN_SUFFIXES)
