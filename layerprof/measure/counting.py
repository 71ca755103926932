"""The flops pass: one step under the counter, compiled code run eagerly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from layerprof.attribute import FlopsPass, IntArray, OpCount, OpKey, PlacedOps, dtype_value
from layerprof.errors import MeasurementError
from layerprof.flops import make_counter
from layerprof.instruments import CallPaths
from layerprof.measure.base import Target, eager
from layerprof.records import UncountedOp

if TYPE_CHECKING:
    from layerprof.measure.phases import Phases

_LARGEST = 2**63 - 1  # of the 64-bit columns that counts go into


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
        self.counter = make_counter(self.paths.current, self._described)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """The block around the step: hooks on, compiled code eager.

        Raises:
            MeasurementError: at its end, when a sum is larger than a record has room for.
        """
        with eager(), self.paths.installed(self._target.counted), self._phases.marked(self.paths):
            yield
            self._phases.ran_backward(self.paths.engine_runs, is_by_threads=self.paths.is_by_threads)
        self._require_room()

    def result(self) -> FlopsPass:
        """What the step brought."""
        counter, phase_of = self.counter, self._phases.phase_of()
        by_dtype = {dtype_value(dtype): by_place for dtype, by_place in sorted(counter.flops_by_dtype.items())}
        values = {
            "flops": counter.flops,
            "causal_flops": counter.causal_flops,
            "bytes_moved": counter.bytes_moved,
            "launches": counter.launches,
            **by_dtype,
        }
        return FlopsPass(
            graph=self.paths.graph(values, phase_of=phase_of),
            by_phase={name: self._by_phase(by_place, phase_of) for name, by_place in values.items()},
            unattributed={name: _outside(by_place) for name, by_place in values.items()},
            dtypes=tuple(sorted(counter.flops_by_dtype)),
            step_flops=counter.total,
            step_causal_flops=counter.causal_total,
            step_bytes_moved=counter.total_bytes,
            ops=self._by_layer_and_op(),
            placed=self._by_place(phase_of),
            by_op=dict(counter.by_op.most_common()),
            uncounted=tuple(self._uncounted(op, by_place) for op, by_place in sorted(counter.uncounted.items())),
            unsized=tuple(sorted(counter.unsized)),
            unseen=self._target.unseen_counted,
        )

    def _require_room(self) -> None:
        sums = {
            "FLOPs": self.counter.total,
            "causal FLOPs": self.counter.causal_total,
            "bytes": self.counter.total_bytes,
        }
        unit = max(sums, key=sums.__getitem__)
        if sums[unit] <= _LARGEST:
            return
        by_kind = {key: max(work.flops, work.bytes_moved) for key, work in self.counter.by_shapes.items()}
        place, op, _ = max(by_kind, key=by_kind.__getitem__)
        raise MeasurementError(
            f"the step counts {float(sums[unit]):.3g} {unit}, most of them by {op} {self._described(place)}; counts go "
            "up to 2^63 - 1: count a smaller batch, or correct the formula given to layerprof.register_flops"
        )

    def _described(self, place: int) -> str:
        """Where a place is, for errors."""
        if place < 0:
            return "in no layer"
        path = self._target.tree.layers[self.paths.layer_of(place)].path
        return f"in layer {path!r}" if path else "in the model's own call"

    def _by_phase(self, by_place: Mapping[int, int], phase_of: Sequence[int]) -> IntArray:
        sums = np.zeros(max(phase_of) + 1, dtype=np.int64)
        for place, amount in by_place.items():
            sums[phase_of[self.paths.phase_of(place)]] += amount
        return sums

    def _by_layer_and_op(self) -> dict[OpKey, OpCount]:
        sums: dict[OpKey, OpCount] = {}
        for (place, op, shapes), work in self.counter.by_shapes.items():
            key = (self.paths.layer_of(place), op, shapes)
            before = sums.get(key, OpCount())
            sums[key] = OpCount(
                flops=before.flops + work.flops,
                bytes_moved=before.bytes_moved + work.bytes_moved,
                dtype=before.dtype or work.dtype,
            )
        return sums

    def _by_place(self, phase_of: Sequence[int]) -> PlacedOps:
        """What ops of one kind did in one place."""
        nodes = self.paths.nodes(phase_of=phase_of)
        number = {dtype: at for at, dtype in enumerate(sorted(self.counter.flops_by_dtype))}
        kinds = [(place, work) for (place, *_), work in self.counter.by_shapes.items()]
        return PlacedOps(
            node=np.asarray([nodes[place] if place >= 0 else -1 for place, _ in kinds], dtype=np.int64),
            phase=np.asarray([phase_of[self.paths.phase_of(place)] for place, _ in kinds], dtype=np.int64),
            flops=np.asarray([work.flops for _, work in kinds], dtype=np.int64),
            bytes_moved=np.asarray([work.bytes_moved for _, work in kinds], dtype=np.int64),
            dtype=np.asarray([number.get(work.dtype or "", -1) for _, work in kinds], dtype=np.int64),
        )

    def _uncounted(self, op: str, by_place: Counter[int]) -> UncountedOp:
        indices = sorted({self.paths.layer_of(place) for place in by_place if place >= 0})
        paths = tuple(self._target.tree.layers[index].path for index in indices)
        return UncountedOp(op=op, calls=by_place.total(), layers=paths, time_share=None)


def _outside(by_place: Mapping[int, int]) -> int:
    """What was under no layer."""
    return sum(amount for place, amount in by_place.items() if place < 0)
