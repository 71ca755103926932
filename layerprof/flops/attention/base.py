"""What all forms of attention share: the work of a pair of query and key, and the pairs that a mask keeps.

Derivation: for each pair, the score is a dot product over the width, and the weighted sum takes a multiply-add for each
element of the value: width + value width multiply-adds forward. Fused kernels do not keep the scores, so their backward
has five products: the scores again, dQ and dK over the width, and dP and dV over the value width. Softmax, scaling and
masks are 0 by convention. With grouped queries it is the query heads that count, for each of them does this work.

Dense counts take all pairs, as dense kernels compute them. Causal counts take those that a causal mask or a sliding
window keeps, as far as the op is told of it; a mask that is a tensor is dense. Source: T. Dao et al., FlashAttention
(2022), algorithm 1 and, for backward, algorithm 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from layerprof.flops.base import Flops, as_it_is, has_data

Work = Callable[[int, int], int]  # (width, value width) -> multiply-adds of one pair and head


def forward_work(width: int, value_width: int) -> int:
    """Multiply-adds of one pair: its score, and its share of the weighted sum."""
    return width + value_width


def backward_work(width: int, value_width: int) -> int:
    """Multiply-adds of one pair in a fused kernel's backward."""
    return 3 * width + 2 * value_width


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """Which keys a query sees, by how far they are from its own place.

    Attributes:
        before: how many keys before its place; None for all.
        after: how many after it; None for all, 0 if causal.
        is_at_end: whether the last query stands at the last key, and not the first at the first, where there are more
            keys than queries or fewer.
    """

    before: int | None = None
    after: int | None = None
    is_at_end: bool = False

    def pairs(self, queries: int, keys: int) -> int:
        """How many pairs of query and key it keeps."""
        first = keys - queries if self.is_at_end else 0
        until = queries * keys if self.after is None else _sum_within(queries, first + self.after + 1, keys)
        skipped = 0 if self.before is None else _sum_within(queries, first - self.before, keys)
        return max(until - skipped, 0)


def _sum_within(count: int, start: int, limit: int) -> int:
    """The sum of start, start + 1, ..., so many of them, each cut to 0 from below and to ``limit`` from above."""
    return _sum_below(start + count, limit) - _sum_below(start, limit)


def _sum_below(end: int, limit: int) -> int:
    """The sum of 0, 1, ..., end - 1, each cut to ``limit`` from above."""
    ramp = min(max(end, 0), limit + 1)
    return ramp * (ramp - 1) // 2 + max(end - limit - 1, 0) * limit


def attention_flops(lengths: Iterable[tuple[int, int]], work: int, mask: Mask) -> Flops:
    """FLOPs of one head in each sequence of a batch, dense and causal.

    Args:
        lengths: the numbers of queries and keys of each sequence.
        work: multiply-adds of one pair.
        mask: the pairs that count as causal.
    """
    known = list(lengths)
    dense = sum(queries * keys for queries, keys in known)
    return Flops(2 * work * dense, 2 * work * sum(mask.pairs(queries, keys) for queries, keys in known))


def numbers_in(tensor: torch.Tensor) -> list[int] | None:
    """The whole numbers in a one-dimensional tensor; None where it has no data."""
    if not has_data(tensor):
        return None
    with as_it_is():
        return [int(number) for number in tensor.tolist()]
