"""Events of passes, made up in any number: blocks of the same shape, one after the other."""

from __future__ import annotations

import numpy as np
from torch import nn

from layerprof.attribute import (
    DeviceEvents,
    HostEvents,
    IntArray,
    Launches,
    OpEvents,
    OpsPass,
    Phase,
    RangeEvents,
    RawTrace,
    StepEvents,
    ThreadEvents,
    TimePass,
)
from layerprof.records import Environment, LayerInfo, ProfileSpec
from layerprof.tree import build_tree

BLOCKS = 100  # that are told apart
DEEP = 6  # calls in one another in a block of the time pass
STEPS = 2
BLOCK_NS = 100

# A block of the ops pass: a layer, a layer in it, and seven ops: (start, end) in the block, in ns.
_RANGES_NS = np.asarray([[1, 95], [2, 90]])
_OPS_NS = np.asarray([[4, 60], [6, 16], [8, 14], [20, 58], [22, 30], [32, 40], [92, 94]])
_LAUNCHES_NS = np.asarray([45, 93])
_KERNEL_NS = np.asarray([60, 130])  # start and end after the launch

_THREAD = 1
_SHAPES = 50  # that each op is met with
_SPEC = ProfileSpec(model="synthetic", model_type="Sequential", passes=("time", "ops"))
_ENVIRONMENT = Environment(
    layerprof="0",
    python="3",
    torch=None,
    transformers=None,
    platform="any",
    cpu="any",
    cores=1,
    threads=1,
    memory_bytes=None,
    device="cpu",
)


def time_trace(events: int) -> RawTrace:
    """A step of the time pass with about so many events."""
    block = np.concatenate([np.arange(DEEP), ~np.arange(DEEP)[::-1]])
    blocks = events // block.size
    offsets = np.repeat(np.arange(blocks) % BLOCKS, block.size) * DEEP
    shape = np.tile(block, blocks)
    codes = np.where(shape >= 0, shape + offsets, shape - offsets)
    thread = ThreadEvents(is_step_thread=True, codes=codes, times_ns=np.arange(codes.size, dtype=np.int64))
    step = StepEvents(start_ns=0, end_ns=codes.size, threads=(thread,))
    return _trace(layers=DEEP * BLOCKS, time=TimePass(steps=(step,)))


def ops_trace(events: int, *, has_device: bool) -> RawTrace:
    """Steps of the ops pass with about so many events; launches and activities count as events."""
    block = len(_RANGES_NS) + len(_OPS_NS) + (2 * len(_LAUNCHES_NS) if has_device else 0)
    blocks = events // block // STEPS
    step_ns = blocks * BLOCK_NS + 1000
    step_start_ns = np.arange(STEPS) * step_ns
    begins_ns = (step_start_ns[:, None] + 10 + np.arange(blocks)[None, :] * BLOCK_NS).ravel()
    kind = np.tile(np.arange(blocks) % BLOCKS, STEPS)
    host = _host(begins_ns, kind)
    columns = OpEvents(
        strings=tuple(f"op {number}" for number in range(len(_OPS_NS) + len(_LAUNCHES_NS))),
        shapes=tuple(((number,),) for number in range(len(_OPS_NS) * _SHAPES)),
        step_start_ns=step_start_ns,
        step_end_ns=step_start_ns + step_ns - 1,
        step_thread=np.full(STEPS, _THREAD),
        host=host,
        ranges=_ranges(begins_ns, kind, first_correlation=host.name.size + 1),
        launches=_launches(begins_ns) if has_device else Launches(),
        device=_activities(begins_ns) if has_device else DeviceEvents(),
        has_device=has_device,
    )
    return _trace(layers=1 + 2 * BLOCKS, ops=OpsPass(events=columns))


def events_in(raw: RawTrace) -> int:
    """How many there are in all."""
    count = sum(thread.codes.size for step in raw.time.steps for thread in step.threads) if raw.time else 0
    if raw.ops is not None:
        columns = raw.ops.events
        tables = (columns.host.name, columns.ranges.layer, columns.launches.correlation, columns.device.name)
        count += sum(table.size for table in tables)
    return count


def _trace(*, layers: int, time: TimePass | None = None, ops: OpsPass | None = None) -> RawTrace:
    return RawTrace(
        spec=_SPEC,
        environment=_ENVIRONMENT,
        layers=_layers(layers),
        phases=(Phase(name="forward"),),
        has_device=ops is not None and ops.events.has_device,
        time=time,
        ops=ops,
    )


def _layers(count: int) -> tuple[LayerInfo, ...]:
    model = nn.Sequential(*(nn.Identity() for _ in range(count - 1)))
    return build_tree(model, stages={"all": ["*"]}).layers


def _tiled(times_ns: IntArray, begins_ns: IntArray) -> IntArray:
    """Each block's times, block after block."""
    return (times_ns[None, :] + begins_ns[:, None]).ravel()


def _host(begins_ns: IntArray, kind: IntArray) -> HostEvents:
    name = np.tile(np.arange(len(_OPS_NS)), begins_ns.size)
    return HostEvents(
        name=name,
        shapes=name * _SHAPES + np.repeat(kind % _SHAPES, len(_OPS_NS)),
        start_ns=_tiled(_OPS_NS[:, 0], begins_ns),
        end_ns=_tiled(_OPS_NS[:, 1], begins_ns),
        thread=np.full(name.size, _THREAD),
        correlation=np.arange(name.size) + 1,
        sequence=np.full(name.size, -1),
        is_engine=np.zeros(name.size, dtype=np.bool_),
    )


def _ranges(begins_ns: IntArray, kind: IntArray, *, first_correlation: int) -> RangeEvents:
    layer = np.stack([2 * kind + 1, 2 * kind + 2], axis=1).ravel()
    return RangeEvents(
        layer=layer,
        start_ns=_tiled(_RANGES_NS[:, 0], begins_ns),
        end_ns=_tiled(_RANGES_NS[:, 1], begins_ns),
        thread=np.full(layer.size, _THREAD),
        correlation=np.arange(layer.size) + first_correlation,
    )


def _launches(begins_ns: IntArray) -> Launches:
    start_ns = _tiled(_LAUNCHES_NS, begins_ns)
    return Launches(correlation=np.arange(start_ns.size) + 1, start_ns=start_ns, thread=np.full(start_ns.size, _THREAD))


def _activities(begins_ns: IntArray) -> DeviceEvents:
    launched_ns = _tiled(_LAUNCHES_NS, begins_ns)
    count = launched_ns.size
    return DeviceEvents(
        name=np.tile(len(_OPS_NS) + np.arange(len(_LAUNCHES_NS)), begins_ns.size),
        kind=np.zeros(count, dtype=np.int64),
        start_ns=launched_ns + _KERNEL_NS[0],
        end_ns=launched_ns + _KERNEL_NS[1],
        device=np.zeros(count, dtype=np.int64),
        stream=np.full(count, 7),
        correlation=np.arange(count) + 1,
        linked=np.zeros(count, dtype=np.int64),
    )
