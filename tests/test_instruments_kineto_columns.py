"""The reader of a session's events on those of a device that is not here."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from layerprof.attribute.base.ops import FOREIGN_NODE, KERNEL, MEMCPY
from layerprof.errors import MeasurementError
from layerprof.instruments.kineto import read_columns


@dataclass
class FakeEvent:
    """What is read of a `_KinetoEvent`."""

    kind: str
    label: str
    span_ns: tuple[int, int]
    resource: int = 4242
    correlation: int = 0
    linked: int = 0
    number: int = -1
    forward_thread: int = 0
    inputs: list[list[int]] = field(default_factory=list)

    def activity_type(self) -> str:
        return self.kind

    def name(self) -> str:
        return self.label

    def start_ns(self) -> int:
        return self.span_ns[0]

    def end_ns(self) -> int:
        return self.span_ns[1]

    def shapes(self) -> list[list[int]]:
        return self.inputs

    def sequence_nr(self) -> int:
        return self.number

    def start_thread_id(self) -> int:
        return 1

    def fwd_thread_id(self) -> int:
        return self.forward_thread

    def device_index(self) -> int:
        return 0

    def device_resource_id(self) -> int:
        return self.resource

    def correlation_id(self) -> int:
        return self.correlation

    def linked_correlation_id(self) -> int:
        return self.linked

    def is_user_annotation(self) -> bool:
        return self.kind.endswith("user_annotation")

    def device_type(self) -> str:
        is_host = self.kind in ("cpu_op", "user_annotation", "cuda_runtime", "cuda_driver", "overhead")
        return "DeviceType.CPU" if is_host else "DeviceType.CUDA"


class OlderEvent(FakeEvent):
    """The same from a torch that does not tell an event's type."""

    activity_type = None  # type: ignore[assignment]


def device_events() -> list[FakeEvent]:
    """A sacrificed step and a recorded one, each with a kernel, and what Kineto puts beside them."""
    return [
        FakeEvent("cpu_op", "layerprof::step 0", (0, 100)),
        FakeEvent("cpu_op", "aten::mm", (10, 20), correlation=1),
        FakeEvent("cuda_runtime", "cudaLaunchKernel", (12, 14), correlation=51, linked=1),
        FakeEvent("kernel", "gemm", (150, 160), resource=7, correlation=51, linked=1),
        FakeEvent("cpu_op", "layerprof::step 1", (200, 300)),
        FakeEvent("cpu_op", "layerprof::0", (205, 280), correlation=2),
        FakeEvent("user_annotation", "mine", (208, 270), correlation=3),
        FakeEvent("cpu_op", "aten::mm", (210, 220), correlation=4, inputs=[[2, 3], []]),
        FakeEvent("cpu_instant_event", "[memory]", (211, 211)),  # of the device, and so neither an op nor a kernel
        FakeEvent("cuda_runtime", "cudaLaunchKernel", (212, 214), correlation=52, linked=4),
        FakeEvent("cuda_driver", "cuLaunchKernelEx", (215, 216), resource=-77, correlation=53, linked=4),
        FakeEvent("cuda_runtime", "cudaStreamSynchronize", (250, 260), correlation=54, linked=3),
        FakeEvent("overhead", "Activity Buffer Request", (251, 252)),
        FakeEvent("kernel", "gemm", (230, 240), resource=7, correlation=52, linked=4),
        FakeEvent("gpu_memcpy", "Memcpy DtoD (Device -> Device)", (241, 245), resource=8, correlation=53, linked=4),
        FakeEvent("gpu_user_annotation", "mine", (230, 245), resource=7),
    ]


def older(events: list[FakeEvent]) -> list[FakeEvent]:
    return [OlderEvent(*(getattr(one, name) for name in one.__dataclass_fields__)) for one in events]


@pytest.mark.parametrize("as_seen", [list, older])
def test_device_events_of_the_recorded_step_are_sorted_out(
    as_seen: Callable[[list[FakeEvent]], list[FakeEvent]],
) -> None:
    events = read_columns(as_seen(device_events()), has_device=True)

    assert [events.strings[name] for name in events.host.name] == ["mine", "aten::mm"]
    assert events.shapes[events.host.shapes[1]] == ((2, 3), ())
    assert events.ranges.correlation.tolist() == [2]
    assert events.launches.correlation.tolist() == [52, 53]
    assert events.launches.thread.tolist() == [4242, 4242]  # the second by the op that it is linked to
    assert events.launches.end_ns.tolist() == [214, 216]
    assert [events.strings[name] for name in events.launches.name] == ["cudaLaunchKernel", "cuLaunchKernelEx"]
    assert events.host.is_annotation.tolist() == [True, False]
    assert events.device.correlation.tolist() == [52, 53]
    assert events.device.kind.tolist() == [KERNEL, MEMCPY]
    assert events.device.stream.tolist() == [7, 8]


def test_a_late_kernel_of_the_sacrificed_step_is_left_out() -> None:
    events = device_events()
    events[3].span_ns = (221, 229)  # it ran during the recorded step

    assert read_columns(events, has_device=True).device.correlation.tolist() == [52, 53]


def test_a_kernel_without_any_launch_is_kept_for_the_count_of_orphans() -> None:
    events = [*device_events(), FakeEvent("kernel", "lost", (246, 247), correlation=99)]

    assert read_columns(events, has_device=True).device.correlation.tolist() == [52, 53, 99]


def test_zero_kernels_on_a_device_are_refused() -> None:
    events = [one for one in device_events() if one.kind not in ("kernel", "gpu_memcpy")]

    with pytest.raises(MeasurementError, match="zero kernels"):
        read_columns(events, has_device=True)


def test_events_out_of_order_are_sorted() -> None:
    events = device_events()

    assert read_columns(events[::-1], has_device=True).host.start_ns.tolist() == [208, 210]


def test_backward_nodes_made_on_another_thread_have_no_number_here() -> None:
    engine = "autograd::engine::evaluate_function: MmBackward0"
    events = [
        *device_events(),
        FakeEvent("cpu_op", engine, (281, 282), number=3, forward_thread=1),
        FakeEvent("cpu_op", engine, (283, 284), number=3, forward_thread=2),
        FakeEvent("cpu_op", engine, (285, 286)),
    ]

    host = read_columns(events, has_device=True).host

    assert host.sequence[host.is_engine].tolist() == [3, FOREIGN_NODE, -1]


def test_a_collector_that_was_off_stays_off() -> None:
    with collector_off():
        read_columns(device_events(), has_device=True)

        assert not gc.isenabled()


@contextmanager
def collector_off() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
