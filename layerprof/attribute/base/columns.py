"""Quantities as columns, one number a phase, layer and step, from which rows are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerprof.attribute.base.events import IntArray
    from layerprof.records import OpProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerColumns:
    """Numbers of every pass that ran, by phase and layer.

    Attributes:
        calls: in the first step of the first pass that saw calls.  (phases, layers)
        values: quantity -> (phases, layers, steps), times in ns under the quantity's own name; also
            ``self_causal_flops`` and ``self_allocated_bytes``, which stages add up.
        whole: quantities that phases do not add up to -> (layers, steps), in ns.
        ops: layer -> its rows of ops.
    """

    calls: IntArray
    values: Mapping[str, IntArray]
    whole: Mapping[str, IntArray] = field(default_factory=dict)
    ops: Mapping[int, tuple[OpProfile, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseColumns:
    """Numbers of whole phases, measured without regard to layers.

    Attributes:
        total_ns, unattributed_ns: on the step's thread.  (phases, steps)
        concurrent_ns: on other threads.  (phases, steps)
        device_ns: sum of the durations of device activities.  (phases, steps)
        allocated_bytes, at_peak_bytes: of the one step of the memory pass.  (phases,)
    """

    total_ns: IntArray | None = None
    unattributed_ns: IntArray | None = None
    concurrent_ns: IntArray | None = None
    device_ns: IntArray | None = None
    allocated_bytes: IntArray | None = None
    at_peak_bytes: IntArray | None = None
