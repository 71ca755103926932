"""What is at work at every moment: FLOPs a second of ops or kernels, and the power of their layer."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from layerprof.attribute.base.intervals import NONE, taken
from layerprof.texts import inert
from layerprof.traces.writing.base.base import flops_of_calls, flops_of_ops

if TYPE_CHECKING:
    from layerprof.records import Energy
    from layerprof.traces.writing.base.base import FloatArray, IntArray
    from layerprof.traces.writing.base.scene import Scene

Series: TypeAlias = "tuple[str, IntArray, FloatArray]"  # what it is of, moments, values from each moment on

_KERNEL = 0
_NS_PER_S = 1e9
_LEFT_OUT = 0.01  # less than this is not worth a word


class _AtWork(NamedTuple):
    what: str
    start_ns: IntArray
    end_ns: IntArray
    flops: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class FlopRates:
    """FLOPs a second.

    Attributes:
        series: one for each device, and one for ops that started nothing on any.
        share: of the FLOPs that were counted of the steps, how much is under the series; None where it is not known.
    """

    series: tuple[Series, ...]
    share: float | None

    @property
    def percent(self) -> str:
        """The share in percent, as it is shown."""
        percent = 100.0 * (self.share or 0.0)
        return f"{percent:,.0f}" if percent >= 10.0 else f"{percent:.2g}"

    @property
    def is_whole(self) -> bool:
        """Whether the series have all FLOPs that were counted, as far as it is known."""
        return self.share is None or abs(self.share - 1.0) <= _LEFT_OUT


def flop_rates(scene: Scene) -> FlopRates:
    """FLOPs a second, spread evenly over the kernels of each op, or over the op itself where it started none.

    An op's FLOPs are its own by the formulas, so those of an op in another are not in both. The area under all series
    is the FLOPs of the recorded ops whose work has a length. Those of layers that the timeline does not show, as in a
    compiled one, are spread over all work of the call around them.
    """
    flops = flops_of_ops(scene.tables, scene.profile.layers)
    of_calls = flops_of_calls(scene.tables, scene.profile.layers)
    if not ((flops > 0).any() or (of_calls > 0).any()):
        return FlopRates(series=(), share=None)
    placed = [_at_work(*work) for work in _works(scene, flops, of_calls)]
    counted = (scene.profile.step_flops or 0) * scene.tables.steps["start_ns"].size
    found = float(sum(work.flops.sum() for work in placed))
    return FlopRates(
        series=tuple(series for work in placed for series in _spread(work)),
        share=found / counted if counted else None,
    )


def powers_at_work(scene: Scene) -> Iterator[Series]:
    """Watts of the layer whose work runs, by how they were got; of several the one that began last.

    A counter cannot be drawn with gaps. So there is one only where the power is known nearly all the time that anything
    is at work; where it is not, the value before goes on.
    """
    layers = scene.profile.layers
    start_ns, end_ns, layer = _work(scene)
    kinds = {(energy.kind, energy.source) for one in layers if (energy := one.self_energy) and energy.power_w}
    time_ns, place = latest_at_work(start_ns, end_ns)
    is_busy, lasted_ns = place != NONE, np.append(np.diff(time_ns), 0)
    busy_ns = int(lasted_ns[is_busy].sum())
    for kind, source in sorted(kinds if busy_ns else ()):
        watts = np.asarray([_watts(one.self_energy, kind, source) for one in layers] + [np.nan])
        power = np.where(is_busy, watts[layer[np.maximum(place, 0)]], 0.0)
        is_known = np.isfinite(power)
        share = int(lasted_ns[is_busy & is_known].sum()) / busy_ns
        if share >= 1.0 - _LEFT_OUT:
            known = "" if share == 1.0 else f", known for {100.0 * share:.2f} % of the time at work"
            yield f"{kind} by {inert(source)}{known}", time_ns[is_known], power[is_known]


def latest_at_work(start_ns: IntArray, end_ns: IntArray) -> tuple[IntArray, IntArray]:
    """The moments at which something begins or ends, and which of what is open then began last, or -1."""
    order = np.lexsort((-end_ns, start_ns))
    starts, ends = start_ns[order].tolist(), end_ns[order].tolist()
    moments = np.unique(np.concatenate((start_ns, end_ns)))
    found = np.full(moments.size, NONE, dtype=np.int64)
    open_ones: list[int] = []  # ranks, negated, so that the latest is first
    following = 0
    for place, moment in enumerate(moments.tolist()):
        while following < len(starts) and starts[following] <= moment:
            heapq.heappush(open_ones, -following)
            following += 1
        while open_ones and ends[-open_ones[0]] <= moment:
            heapq.heappop(open_ones)
        if open_ones:
            found[place] = order[-open_ones[0]]
    return moments, found


def _work(scene: Scene) -> tuple[IntArray, IntArray, IntArray]:
    """Start, end and layer of what runs: activities where there are any, else calls on the threads of steps."""
    kernels, ranges = scene.tables.kernels, scene.tables.ranges
    start_ns = ranges["start_ns"]
    if kernels["start_ns"].size:
        layer = taken(ranges["layer"], kernels["range"])
        return kernels["start_ns"], kernels["end_ns"], layer
    chosen = np.flatnonzero(np.isin(ranges["thread"], scene.tables.steps["thread"]))
    return start_ns[chosen], scene.host.range_end_ns[chosen], ranges["layer"][chosen]


def _watts(energy: Energy | None, kind: str, source: str) -> float:
    if energy is None or energy.power_w is None or (energy.kind, energy.source) != (kind, source):
        return math.nan
    return energy.power_w


def _works(
    scene: Scene, flops: FloatArray, of_calls: FloatArray
) -> Iterator[tuple[str, IntArray, IntArray, FloatArray]]:
    """What is at work on each device and on the host alone: start, end and FLOPs of each."""
    kernels, ops = scene.tables.kernels, scene.tables.ops
    lasted = np.where(kernels["kind"] == _KERNEL, np.maximum(kernels["end_ns"] - kernels["start_ns"], 0), 0)
    done = _shared(flops, _counted_ops(scene, flops), lasted) + _shared(of_calls, kernels["range"], lasted)
    for device in scene.devices:
        chosen = np.flatnonzero((kernels["device"] == device) & (done > 0))
        where = f"the kernels at work on device {device}"
        yield where, kernels["start_ns"][chosen], kernels["end_ns"][chosen], done[chosen]
    has_kernel = np.isin(np.arange(of_calls.size), kernels["range"][lasted > 0])
    call = np.where(_is_outermost(scene), ops["range"], NONE)
    lasted = np.maximum(ops["end_ns"] - ops["start_ns"], 0)
    done = np.where(_has_activity(scene), 0.0, flops) + _shared(np.where(has_kernel, 0.0, of_calls), call, lasted)
    where = "the ops at work that started no kernel" if scene.devices else "the ops at work"
    alone = np.flatnonzero(done > 0)
    yield where, ops["start_ns"][alone], ops["end_ns"][alone], done[alone]


def _shared(flops: FloatArray, owner: IntArray, lasted_ns: IntArray) -> FloatArray:
    """FLOPs of owners, shared among what each of them owns by how long that lasted: (owned,)."""
    if not flops.size:
        return np.zeros(owner.size, dtype=np.float64)
    at = np.maximum(owner, 0)
    lasted = np.where(owner == NONE, 0, lasted_ns)
    whole = np.bincount(at, weights=lasted, minlength=flops.size)
    return np.asarray(flops[at] * lasted / np.maximum(whole[at], 1), dtype=np.float64)


def _is_outermost(scene: Scene) -> NDArray[np.bool_]:
    """Whether each op lies in none of the same call: (ops,)."""
    ops = scene.tables.ops
    return np.asarray(taken(ops["range"], ops["parent"]) != ops["range"], dtype=np.bool_)


def _has_activity(scene: Scene) -> NDArray[np.bool_]:
    """Whether an activity came of each op or of one in it: (ops,)."""
    parent = scene.tables.ops["parent"]
    found = np.zeros(parent.size, dtype=np.bool_)
    above = np.unique(scene.tables.kernels["op"])
    while (above := above[above != NONE]).size:
        found[above] = True
        above = np.unique(parent[above])
    return found


def _counted_ops(scene: Scene, flops: FloatArray) -> IntArray:
    """The op whose FLOPs each activity does: the innermost one around it that has any, or -1."""
    parent = scene.tables.ops["parent"]
    owner = scene.tables.kernels["op"].copy()
    for _ in range(parent.size):
        lacking = (owner != NONE) & (flops[np.maximum(owner, 0)] <= 0)
        if not lacking.any():
            break
        owner[lacking] = parent[owner[lacking]]
    return owner


def _at_work(what: str, start_ns: IntArray, end_ns: IntArray, flops: FloatArray) -> _AtWork:
    has_length = end_ns > start_ns
    return _AtWork(what, start_ns[has_length], end_ns[has_length], flops[has_length])


def _spread(work: _AtWork) -> Iterator[Series]:
    """The sum at every moment of what is spread over the spans open then."""
    start, end = work.start_ns, work.end_ns
    if not start.size:
        return
    rate = work.flops * _NS_PER_S / (end - start)
    moments, place = np.unique(np.concatenate((start, end)), return_inverse=True)
    change = np.bincount(place, weights=np.concatenate((rate, -rate)), minlength=moments.size)
    opened = np.bincount(place, weights=np.repeat((1.0, -1.0), start.size), minlength=moments.size)
    values = np.where(np.cumsum(opened) == 0, 0.0, np.maximum(np.cumsum(change), 0.0))  # no rest of rounding at rest
    yield work.what, moments, values
