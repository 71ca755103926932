"""The result of counting FLOPs without running: totals by layer and by op."""

from __future__ import annotations

from dataclasses import dataclass, field

from layerprof.records.base import SCHEMA, FrozenMapping, Note, UncountedOp


@dataclass(frozen=True, slots=True, kw_only=True)
class FlopReport:
    """FLOPs of one step; a multiply-add counts as two.

    Attributes:
        total: of the step.
        by_layer: path to FLOPs, called layers included; "" is the root.
        by_op: op name to FLOPs.
        by_stage: name of a stage to the FLOPs of its layers' own ops; what is under no layer is in none.
        by_phase: name of a phase to FLOPs: forward; vision, qformer, prefill and decode; forward, backward, optimizer.
        by_dtype: format that the products are computed in to FLOPs.
        uncounted: ops that are in no table.
        causal_total: with causal attention counted as the triangle it needs.
        bytes_moved: least traffic of all ops: distinct inputs, weights and outputs of each; None where it is not known.
        notes: why something is missing.
    """

    schema: int = SCHEMA
    total: int
    by_layer: FrozenMapping[int]
    by_op: FrozenMapping[int]
    uncounted: tuple[UncountedOp, ...]
    causal_total: int
    by_stage: FrozenMapping[int] = field(default_factory=FrozenMapping)
    by_phase: FrozenMapping[int] = field(default_factory=FrozenMapping)
    by_dtype: FrozenMapping[int] = field(default_factory=FrozenMapping)
    bytes_moved: int | None = None
    notes: tuple[Note, ...] = ()

    @property
    def macs(self) -> float:
        """Multiply-adds: half of ``total``."""
        return self.total / 2

    @property
    def intensity(self) -> float | None:
        """FLOPs for each byte moved; None where no byte was."""
        return self.total / self.bytes_moved if self.bytes_moved else None
