"""Traces as torch 2.13 writes them: the events of two CUDA training steps with stacks and shapes, made by hand.

    python  |------------------ ProfilerStep#1 ------------------|
              [ Net_0 [ Linear_6 ][ ReLU_0 ][ Linear_7 ]] sum
    engine                                          [ nodes of the backward graph ]    a thread of its own
    stream 7        |== gemm ==|= relu =|=fill=|== gemm ==|      |= gemm =|= gemm =|copy|

The stored copy is written by ``python tests/torch_traces.py tests/data/cuda.pt.trace.json.gz``.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Event = dict[str, Any]
Trace = dict[str, Any]

BASE_NS = 1_790_857_026_000_000_000  # baseTimeNanoseconds, as torch 2.13 has it
FIRST_STEP_US = 4_507_573_603_867.978
STEP_US = 1_000.0
STEP_GAP_US = 25.5
STEP_NUMBERS = (1, 2)
PROCESS = 4242
THREAD = 4242
ENGINE_THREAD = 4301
STREAM = 7
FORWARD_THREAD_BY_TORCH = 1  # torch's own number of the thread that the nodes were made on
DEVICE_NAME = "NVIDIA H200"
GEMM = "void cutlass::Kernel2<cutlass_80_tensorop_s1688gemm_64x64_16x6_tn_align4>(cutlass_80_tensorop::Params)"
RELU = "void at::native::vectorized_elementwise_kernel<4, at::native::clamp_min_lambda>(int, float)"
COPY_BYTES = 4

# Durations of the device's activities in one step, in microseconds, by the module whose they are.
LINEAR_6_US = 200.0
RELU_0_US = 20.5
FILL_US = 1.25
LINEAR_7_US = 60.0
SUM_US = 4.0
LINEAR_7_BACKWARD_US = 40.0
LINEAR_6_BACKWARD_US = 90.0
COPY_US = 1.5
DEVICE_US = (
    LINEAR_6_US + RELU_0_US + FILL_US + LINEAR_7_US + SUM_US + LINEAR_7_BACKWARD_US + LINEAR_6_BACKWARD_US + COPY_US
)


@dataclass(kw_only=True)
class KinetoTrace:
    """Collects events; times are microseconds after the step's start.

    Attributes:
        step_us: of the step that the next events are in, as in the file.
    """

    step_us: float = FIRST_STEP_US
    events: list[Event] = field(default_factory=list)
    external_id: int = 0
    correlation: int = 100
    flow: int = 0

    def slice(
        self, cat: str, name: str, span_us: tuple[float, float], args: Mapping[str, Any], *, thread: int = THREAD
    ) -> Event:
        """An X event of the host."""
        return self._add(cat, name, span_us, args, place=(PROCESS, thread))

    def op(  # noqa: PLR0913  # what the event holds
        self,
        name: str,
        span_us: tuple[float, float],
        *,
        sequence: int | None = None,
        dims: Sequence[Any] | None = None,
        thread: int = THREAD,
        made_on: int = 0,
        cat: str = "cpu_op",
    ) -> int:
        """An op; returns its External id."""
        self.external_id += 1
        args: Event = {"External id": self.external_id, "Record function id": 0}
        if sequence is not None:
            args |= {"Sequence number": sequence, "Fwd thread id": made_on}
        if dims is not None:
            args["Input Dims"] = dims
        self.slice(cat, name, span_us, args | {"Ev Idx": self.external_id}, thread=thread)
        return self.external_id

    def node(self, name: str, span_us: tuple[float, float], *, sequence: int | None = None) -> int:
        """The engine evaluating a node, and the node's own op inside; returns the External id of the latter."""
        made_on = FORWARD_THREAD_BY_TORCH
        numbered = {"sequence": sequence, "thread": ENGINE_THREAD, "made_on": made_on}
        self.op(f"autograd::engine::evaluate_function: {name}", span_us, **numbered)  # type: ignore[arg-type]
        return self.op(name, (span_us[0] + 1, span_us[1] - 1), **numbered)  # type: ignore[arg-type]

    def module(self, name: str, span_us: tuple[float, float], python_id: int, parent_id: int | None) -> None:
        """A call of a module, as ``with_stack`` records it."""
        number = int(name.rpartition("_")[2])
        args = {"Python parent id": parent_id, "Python id": python_id, "Python module id": number, "Ev Idx": python_id}
        self.slice("python_function", f"nn.Module: {name}", span_us, args)

    def frame(self, name: str, span_us: tuple[float, float], python_id: int, parent_id: int | None) -> None:
        """A Python frame that is no module."""
        args = {"Python parent id": parent_id, "Python id": python_id, "Ev Idx": python_id}
        self.slice("python_function", name, span_us, args)

    def activity(  # noqa: PLR0913  # what the event holds
        self,
        cat: str,
        name: str,
        span_us: tuple[float, float],
        *,
        launched_us: float,
        op: int,
        by: tuple[str, str] = ("cuda_runtime", "cudaLaunchKernel"),
        thread: int = THREAD,
    ) -> None:
        """A device activity with the call that launched it and the flow between the two."""
        self.correlation += 1
        linked = {"External id": op, "correlation": self.correlation}
        self.slice(by[0], by[1], (launched_us, launched_us + 5), {"cbid": 211, **linked}, thread=thread)
        args = {"device": 0, "context": 1, "stream": STREAM, **linked, **_ARGS_OF_ACTIVITY[cat]}
        self._add(cat, name, span_us, args, place=(0, STREAM))
        self._flow("ac2g", self.correlation, (PROCESS, thread, launched_us), (0, STREAM, span_us[0]))

    def linked_backward(self, forward_us: float, backward_us: float) -> None:
        """The flow from a forward op to the node that it made."""
        self.flow += 1
        self._flow("fwdbwd", self.flow, (PROCESS, THREAD, forward_us), (PROCESS, ENGINE_THREAD, backward_us))

    def _flow(self, cat: str, number: int, source: tuple[int, int, float], target: tuple[int, int, float]) -> None:
        for phase, (pid, tid, at_us) in (("s", source), ("f", target)):
            end = {"bp": "e"} if phase == "f" else {}
            place = {"pid": pid, "tid": tid, "ts": self._ts(at_us)}
            self.events.append({"ph": phase, "id": number, **place, "cat": cat, "name": cat, **end})

    def _add(
        self, cat: str, name: str, span_us: tuple[float, float], args: Mapping[str, Any], *, place: tuple[int, int]
    ) -> Event:
        lasted_us = round(span_us[1] - span_us[0], 3)
        where = {"pid": place[0], "tid": place[1], "ts": self._ts(span_us[0]), "dur": lasted_us}
        self.events.append({"ph": "X", "cat": cat, "name": name, **where, "args": dict(args)})
        return self.events[-1]

    def _ts(self, at_us: float) -> float:
        return round(self.step_us + at_us, 3)


_KERNEL_ARGS = {
    "queued": 0,
    "registers per thread": 98,
    "shared memory": 49152,
    "blocks per SM": 0.5,
    "warps per SM": 2.0,
    "grid": [66, 1, 1],
    "block": [128, 1, 1],
    "est. achieved occupancy %": 3,
}
_ARGS_OF_ACTIVITY: Mapping[str, Mapping[str, Any]] = {
    "kernel": _KERNEL_ARGS,
    "gpu_memcpy": {"bytes": COPY_BYTES, "memory bandwidth (GB/s)": 0.003},
    "gpu_memset": {"bytes": 1024, "memory bandwidth (GB/s)": 0.8},
}
_DEVICE = {
    "id": 0,
    "name": DEVICE_NAME,
    "totalGlobalMem": 150_000_000_000,
    "computeMajor": 9,
    "computeMinor": 0,
    "maxThreadsPerBlock": 1024,
    "maxThreadsPerMultiprocessor": 2048,
    "regsPerBlock": 65536,
    "warpSize": 32,
    "sharedMemPerBlock": 49152,
    "numSms": 132,
    "regsPerMultiprocessor": 65536,
    "sharedMemPerBlockOptin": 232448,
    "sharedMemPerMultiprocessor": 233472,
}


def cuda_trace() -> Trace:
    """Two training steps on one device, with stacks and shapes, whose backward runs on the engine's own thread."""
    trace = KinetoTrace()
    for position, number in enumerate(STEP_NUMBERS):
        trace.step_us = FIRST_STEP_US + position * (STEP_US + STEP_GAP_US)
        trace.op(f"ProfilerStep#{number}", (0, STEP_US), cat="user_annotation")
        _forward(trace, first_id=1 + 100 * position, sequence=10 * position)
        _backward(trace, sequence=10 * position)
        span = {"pid": 0, "tid": STREAM, "ts": trace._ts(150), "dur": 800.0, "args": {"External id": 1}}
        trace.events.append({"ph": "X", "cat": "gpu_user_annotation", "name": f"ProfilerStep#{number}", **span})
    return trace_of([*_tracks(trace.step_us), *trace.events], with_stack=1, with_modules=1, deviceProperties=[_DEVICE])


def trace_of(events: Sequence[Event], **facts: Any) -> Trace:
    """A file's content around some events."""
    head = {"schemaVersion": 1, "deviceProperties": [], "cuda_runtime_version": 12080, "cuda_driver_version": 12080}
    middle = {"record_shapes": 1, "host_name": "node", "displayTimeUnit": "ms", "baseTimeNanoseconds": BASE_NS}
    return {**head, **middle, **facts, "traceEvents": list(events), "traceName": "trace.json"}


def written(trace: Trace, path: Path) -> Path:
    """The trace in a file, gzipped where its name ends so; the same bytes for the same trace."""
    content = json.dumps(trace).encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


def _tracks(at_us: float) -> list[Event]:
    labels = ((PROCESS, "python", "CPU"), (0, "python", "GPU 0"))
    return [
        {"ph": "M", "name": kind, "ts": at_us, "pid": pid, "tid": 0, "args": {key: value}}
        for pid, process, label in labels
        for kind, key, value in (
            ("process_name", "name", process),
            ("process_labels", "labels", label),
            ("process_sort_index", "sort_index", pid or 5_000_000),
        )
    ]


def _forward(trace: KinetoTrace, *, first_id: int, sequence: int) -> None:
    """Net_0 with its three layers, and a loss outside of it; five nodes are made: t, addmm, relu, t and addmm, sum."""
    root, linear, relu, last = (first_id + place for place in (1, 2, 3, 4))
    trace.frame("train.py(12): step", (10, 460), first_id, None)
    trace.module("Net_0", (20, 400), root, first_id)
    trace.module("Linear_6", (40, 180), linear, root)
    _linear(trace, 50, sequence, kernel_us=(150, 150 + LINEAR_6_US))
    trace.module("ReLU_0", (190, 260), relu, root)
    trace.op("aten::relu", (200, 250), sequence=sequence + 2, dims=[[32, 64]])
    clamped = trace.op("aten::clamp_min", (210, 245), dims=[[32, 64], []])
    driver = ("cuda_driver", "cuLaunchKernelEx")
    trace.activity("kernel", RELU, (360, 360 + RELU_0_US), launched_us=220, op=clamped, by=driver)
    trace.module("Linear_7", (270, 390), last, root)
    product = _linear(trace, 275, sequence + 3, kernel_us=(390, 390 + LINEAR_7_US))
    fill = ("cuda_runtime", "cudaMemsetAsync")
    trace.activity("gpu_memset", "Memset (Device)", (382, 382 + FILL_US), launched_us=300, op=product, by=fill)
    total = trace.op("aten::sum", (410, 440), sequence=sequence + 5, dims=[[32, 64], []])
    trace.activity("kernel", "reduce_kernel", (460, 460 + SUM_US), launched_us=420, op=total)


def _linear(trace: KinetoTrace, at_us: float, sequence: int, *, kernel_us: tuple[float, float]) -> int:
    """A linear layer's ops and kernel; returns the External id of its addmm."""
    trace.op("aten::linear", (at_us, at_us + 110), sequence=sequence, dims=[[32, 64], [64, 64], [64]])
    trace.op("aten::t", (at_us + 1, at_us + 5), sequence=sequence, dims=[[64, 64]])
    product = trace.op(
        "aten::addmm", (at_us + 10, at_us + 105), sequence=sequence + 1, dims=[[64], [32, 64], [64, 64], [], []]
    )
    trace.activity("kernel", GEMM, kernel_us, launched_us=at_us + 50, op=product)
    return product


def _backward(trace: KinetoTrace, *, sequence: int) -> None:
    """The engine's thread, node by node, and a copy of the loss to the host."""
    trace.node("SumBackward0", (500, 520), sequence=sequence + 5)
    trace.linked_backward(410, 501)
    second = trace.node("AddmmBackward0", (530, 600), sequence=sequence + 4)
    trace.linked_backward(285, 531)
    trace.activity("kernel", GEMM, (600, 600 + LINEAR_7_BACKWARD_US), launched_us=550, op=second, thread=ENGINE_THREAD)
    trace.node("torch::autograd::AccumulateGrad", (605, 620))
    trace.node("ReluBackward0", (625, 640), sequence=sequence + 2)
    first = trace.node("AddmmBackward0", (650, 720), sequence=sequence + 1)
    trace.linked_backward(60, 651)
    trace.activity("kernel", GEMM, (700, 700 + LINEAR_6_BACKWARD_US), launched_us=660, op=first, thread=ENGINE_THREAD)
    trace.node("torch::autograd::AccumulateGrad", (725, 740))
    trace.op("aten::item", (800, 900), dims=[[]])
    copied = trace.op("aten::_local_scalar_dense", (805, 895), dims=[[]])
    copy = ("cuda_runtime", "cudaMemcpyAsync")
    name = "Memcpy DtoH (Device -> Pageable)"
    trace.activity("gpu_memcpy", name, (850, 850 + COPY_US), launched_us=820, op=copied, by=copy)
    waited = {"cbid": 131, "External id": copied, "correlation": 9_000 + sequence}
    trace.slice("cuda_runtime", "cudaStreamSynchronize", (830, 890), waited)


if __name__ == "__main__":
    written(cuda_trace(), Path(sys.argv[1]))
