"""FLOPs of flex attention, a higher-order op: dense, with the blocks that its block mask keeps beside it.

Its kernels skip whole blocks of queries and keys and compute all pairs of the others, so the causal count goes by
blocks: it is what runs, and at a mask's edge a little more than what the mask keeps. Without the block mask's data
(fake tensors) it is the dense count. Score and mask functions are elementwise, and 0. Source: J. Dong et al., Flex
Attention (2024), section 4; ``torch/nn/attention/flex_attention.py`` for ``BlockMask.as_tuple``.
"""

from __future__ import annotations

from math import prod

import torch

from layerprof.flops.attention.base import Work, backward_work, forward_work, numbers_in
from layerprof.flops.base import Flops, Formula, OpCall, Shape

_PARTIAL_BLOCKS, _FULL_BLOCKS = 2, 4  # positions of the numbers of key blocks for each block of queries
_QUERY_BLOCK, _KEY_BLOCK = -3, -2  # positions of the blocks' sizes


def _formula(mask_position: int, work: Work) -> Formula:
    """Of ``flex_attention(query, key, value, ...)`` and its backward, which begins in the same way.

    Shape:
        query: (batch, heads, queries, width), key: (batch, key heads, keys, width),
        value: (batch, key heads, keys, value width)
    """

    def formula(call: OpCall) -> Flops:
        query, key, value = (call.shape(i) for i in range(3))
        per_pair = 2 * work(query[-1], value[-1])
        dense = prod(query[:-1]) * key[-2]
        blocks = call.args[mask_position] if len(call.args) > mask_position else None
        kept = _kept_pairs(blocks, query, key[-2]) if isinstance(blocks, tuple) else None
        return Flops(per_pair * dense, per_pair * (dense if kept is None else kept))

    return formula


def _kept_pairs(blocks: tuple[object, ...], query: Shape, keys: int) -> int | None:
    """How many pairs are in the blocks that are not skipped; None where that is not known."""
    counts = [blocks[position] for position in (_PARTIAL_BLOCKS, _FULL_BLOCKS)]
    per_row = [numbers_in(count.flatten()) for count in counts if isinstance(count, torch.Tensor)]
    first, size, width = counts[0], blocks[_QUERY_BLOCK], blocks[_KEY_BLOCK]
    known = [row for row in per_row if row is not None]
    if not isinstance(first, torch.Tensor) or not isinstance(size, int) or not isinstance(width, int):
        return None
    if len(known) < len(per_row):
        return None
    *heads, rows = first.shape  # one for each, or 1 for all of them
    pairs = 0
    for position, numbers in enumerate(zip(*known, strict=True)):
        queries = min(size, query[-2] - position % rows * size)
        pairs += queries * min(sum(numbers) * width, keys)
    return pairs * prod(query[:-2]) // prod(heads)


FORMULAS: dict[str, Formula] = {
    "flex_attention": _formula(4, forward_work),
    "flex_attention_backward": _formula(9, backward_work),
}
