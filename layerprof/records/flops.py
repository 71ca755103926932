"""The result of counting FLOPs without running: totals by layer and by op."""

from __future__ import annotations

from dataclasses import dataclass

from layerprof.records.base import SCHEMA, FrozenMapping, UncountedOp


@dataclass(frozen=True, slots=True, kw_only=True)
class FlopReport:
    """FLOPs of one step; a multiply-add counts as two.

    Attributes:
        total: of the step.
        by_layer: path to FLOPs, called layers included; "" is the root.
        by_op: op name to FLOPs.
        uncounted: ops that are in no table.
        causal_total: with causal attention counted as the triangle it needs.
    """

    schema: int = SCHEMA
    total: int
    by_layer: FrozenMapping[int]
    by_op: FrozenMapping[int]
    uncounted: tuple[UncountedOp, ...]
    causal_total: int

    @property
    def macs(self) -> float:
        """Multiply-adds: half of ``total``."""
        return self.total / 2
