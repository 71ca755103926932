"""The flops pass: one step under the counter, compiled code run eagerly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from layerprof.attribute import FlopsPass, IntArray, OpKey
from layerprof.flops import make_counter
from layerprof.instruments import CallPaths
from layerprof.measure.base import Target, eager
from layerprof.records import UncountedOp

if TYPE_CHECKING:
    from layerprof.measure.phases import Phases


class FlopsStep:
    """Counts the FLOPs of one step by call path.

    Args:
        target: the model, resolved.
        phases: the account of phases.
    """

    def __init__(self, target: Target, phases: Phases) -> None:
        self._target = target
        self._phases = phases
        self.paths = CallPaths(elsewhere=lambda: self.counter, backward=phases.backward)
        self.counter = make_counter(self.paths.current)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """The block around the step: hooks on, compiled code eager."""
        with eager(), self.paths.installed(self._target.counted), self._phases.marked(self.paths):
            yield
            self._phases.ran_backward(self.paths.engine_runs, is_by_threads=self.paths.is_by_threads)

    def result(self) -> FlopsPass:
        """What the step brought."""
        counter, phase_of = self.counter, self._phases.phase_of()
        return FlopsPass(
            graph=self.paths.graph({"flops": counter.flops, "causal_flops": counter.causal_flops}, phase_of=phase_of),
            unattributed_flops=sum(flops for place, flops in counter.flops.items() if place < 0),
            step_flops=counter.total,
            step_causal_flops=counter.causal_total,
            phase_flops=self._by_phase(counter.flops, phase_of),
            phase_causal_flops=self._by_phase(counter.causal_flops, phase_of),
            op_flops=self._by_layer_and_op(),
            by_op=dict(counter.by_op.most_common()),
            uncounted=tuple(self._uncounted(op, by_place) for op, by_place in sorted(counter.uncounted.items())),
            unseen=self._target.unseen_counted,
        )

    def _by_phase(self, by_place: Mapping[int, int], phase_of: Sequence[int]) -> IntArray:
        sums = np.zeros(max(phase_of) + 1, dtype=np.int64)
        for place, flops in by_place.items():
            sums[phase_of[self.paths.phase_of(place)]] += flops
        return sums

    def _by_layer_and_op(self) -> dict[OpKey, int]:
        sums: Counter[OpKey] = Counter()
        for (place, op, shapes), flops in self.counter.by_shapes.items():
            sums[self.paths.layer_of(place), op, shapes] += flops
        return dict(sums)

    def _uncounted(self, op: str, by_place: Counter[int]) -> UncountedOp:
        indices = sorted({self.paths.layer_of(place) for place in by_place if place >= 0})
        paths = tuple(self._target.tree.layers[index].path for index in indices)
        return UncountedOp(op=op, calls=by_place.total(), layers=paths, time_share=None)
