"""The flops pass: one step under the counter, compiled code run eagerly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from layerprof.attribute import FlopsPass
from layerprof.flops import make_counter
from layerprof.instruments import CallPaths
from layerprof.measure.base import Target, eager
from layerprof.records import UncountedOp

_OUTSIDE = -1  # the call path of ops under no layer


class FlopsStep:
    """Counts the FLOPs of one step by call path.

    Args:
        target: the model, resolved.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self.paths = CallPaths(elsewhere=lambda: self.counter)
        self.counter = make_counter(self.paths.current)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """The block around the step: hooks on, compiled code eager."""
        with eager(), self.paths.installed(self._target.counted):
            yield

    def result(self) -> FlopsPass:
        """What the step brought."""
        counter = self.counter
        return FlopsPass(
            graph=self.paths.graph({"flops": counter.flops, "causal_flops": counter.causal_flops}),
            unattributed_flops=counter.flops[_OUTSIDE],
            step_flops=counter.total,
            step_causal_flops=counter.causal_total,
            by_op=dict(counter.by_op.most_common()),
            uncounted=tuple(self._uncounted(op, by_path) for op, by_path in sorted(counter.uncounted.items())),
            unseen=self._target.unseen_counted,
        )

    def _uncounted(self, op: str, by_path: Counter[int]) -> UncountedOp:
        indices = sorted({self.paths.layer_of(path) for path in by_path if path != _OUTSIDE})
        paths = tuple(self._target.tree.layers[index].path for index in indices)
        return UncountedOp(op=op, calls=by_path.total(), layers=paths, time_share=None)
