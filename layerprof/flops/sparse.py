"""FLOPs of products with a sparse matrix: 2 for each element that is stored and each column that it meets.

Derivation: a stored element is multiplied with a whole row of the dense matrix and added to the output. Elements that
are stored twice are multiplied twice, and of a block all elements are. Source: T. A. Davis, Direct Methods for Sparse
Linear Systems (2006), section 2.8, for the count; torch's documentation of ``torch.sparse`` for the layouts.

Limits: how many elements are stored is data. Without it, and where both sides are sparse, the op is not counted.
"""

from __future__ import annotations

import torch

from layerprof.flops.base import Flops, Formula, OpCall, as_it_is, has_data

_LAYOUTS = frozenset({torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc})
_FIRST_OPERAND = {
    **dict.fromkeys(("aten.mm", "aten.mv"), 0),
    **dict.fromkeys(("aten.addmm", "aten.addmm_", "aten.addmv", "aten.addmv_", "aten._sparse_addmm"), 1),
}


def unless_sparse(name: str, formula: Formula) -> Formula:
    """The formula for dense tensors, and the one for sparse tensors where there is one for this op.

    Args:
        name: of the op.
        formula: for dense ones.
    """

    def chosen(call: OpCall) -> Flops | None:
        if not any(_is_sparse(value) for value in (*call.args, *call.named.values(), call.output)):
            return formula(call)
        return _product(call, _FIRST_OPERAND[name]) if name in _FIRST_OPERAND else None

    return chosen


def sparse_addmm(call: OpCall) -> Flops | None:
    """Of ``_sparse_addmm(c, a, b)``, which ``torch.sparse.mm`` becomes."""
    return _product(call, _FIRST_OPERAND["aten._sparse_addmm"])


def _product(call: OpCall, first: int) -> Flops | None:
    left, right = call.args[first : first + 2]
    assert isinstance(left, torch.Tensor)
    assert isinstance(right, torch.Tensor)
    if _is_sparse(left) == _is_sparse(right):
        return None
    stored = _stored(left if _is_sparse(left) else right)
    met = _columns(right) if _is_sparse(left) else left.shape[0]
    return None if stored is None else Flops.same(call.multiplier(first) * 2 * stored * met)


def _columns(dense: torch.Tensor) -> int:
    return 1 if dense.dim() == 1 else dense.shape[-1]


def _is_sparse(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.layout in _LAYOUTS


def _stored(matrix: torch.Tensor) -> int | None:
    """How many elements are stored; None where that is not at hand."""
    if not has_data(matrix):
        return None
    with as_it_is():
        return matrix._values().numel() if matrix.layout == torch.sparse_coo else matrix.values().numel()


FORMULAS: dict[str, Formula] = {"aten._sparse_addmm": sparse_addmm}
