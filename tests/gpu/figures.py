"""What is measured beside the tests: the machine, the overheads on BLIP-2 in small, the device's time in full."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import torch

import layerprof as lp
from gpu.subjects import blip2
from layerprof import stats
from layerprof.machine import environment_of

REPEATS = 20
SESSIONS = 6  # of the ops pass, which has two pairs in each
LARGEST = 15  # layers that are named

Figures = Mapping[str, object]


def machine() -> Figures:
    """Versions, and the device's properties."""
    device = torch.device("cuda")
    found = torch.cuda.get_device_properties(device)
    environment = environment_of(device)
    return {
        "environment": {**asdict(environment), "flags": dict(environment.flags)},
        "cuda": torch.version.cuda,
        "device": found.name,
        "memory_bytes": found.total_memory,
        "processors": found.multi_processor_count,
        "capability": [found.major, found.minor],
    }


def overheads() -> Figures:
    """Steps of blip2-tiny under the time and the ops pass against bare ones beside them."""
    model, inputs = blip2()
    timed = lp.profile(model, inputs, passes=("time",), repeats=REPEATS)
    sessions = [lp.profile(model, inputs, passes=("ops",), warmup=2, repeats=1) for _ in range(SESSIONS)]
    ratios = [one.ratio for profile in sessions for one in profile.overhead if one.pass_name == "ops"]
    return {
        "bare_s": _median(timed.latency_s),
        "time": [asdict(one) for one in timed.overhead],
        "ops": {"ratio": statistics.median(ratios), "ci95": stats.median_interval(ratios), "samples": ratios},
    }


def full_forward() -> Figures:
    """One forward of BLIP-2 at full geometry in half precision: the device's times, and where they are."""
    model, inputs = blip2("blip2-opt-2.7b", dtype="fp16")
    torch.cuda.reset_peak_memory_stats()
    profile = lp.profile(model, inputs, passes=("time", "ops", "flops"), repeats=10)
    return {
        "latency_s": _median(profile.latency_s),
        "step_s": _median(profile.step_s),
        "device_total_s": _median(profile.device_total_s),
        "device_busy_s": _median(profile.device_busy_s),
        "device_span_s": _median(profile.device_span_s),
        "unattributed_device_s": _median(profile.unattributed_device_s),
        "flops": profile.step_flops,
        "overhead": [asdict(one) for one in profile.overhead],
        "peak_bytes": torch.cuda.max_memory_allocated(),
        "checks": {check.name: [check.ok, check.detail] for check in profile.checks},
        "notes": [str(note) for note in profile.notes],
        "stages": {stage.name: _median(stage.device_self_s) for stage in profile.stages},
        "largest_layers": [_figures_of(layer) for layer in _largest(profile.layers)],
    }


def _largest(layers: Sequence[lp.LayerProfile]) -> Sequence[lp.LayerProfile]:
    """By device time of their own."""
    return sorted(layers, key=lambda layer: _median(layer.device_self_s) or 0.0, reverse=True)[:LARGEST]


def _figures_of(layer: lp.LayerProfile) -> Figures:
    return {
        "path": layer.path,
        "type": layer.type_name,
        "calls": layer.calls,
        "flops": layer.self_flops,
        "device_self_s": _median(layer.device_self_s),
        "device_busy_s": _median(layer.device_busy_s),
        "device_idle_s": _median(layer.device_idle_s),
        "self_s": _median(layer.self_s),
        "kernels": [kernel.name for op in layer.ops for kernel in op.kernels][:4],
    }


def _median(distribution: lp.Distribution | None) -> float | None:
    return None if distribution is None else distribution.median
