"""FLOPs of ``scaled_dot_product_attention``'s ops: whole attention with the heads before the tokens.

A query's place under ``is_causal`` is counted from the first key. The exception is the flash op of GPUs: torch calls it
with as many queries as keys, or for ``causal_lower_right``, which counts from the last key. Source: torch's
documentation of ``scaled_dot_product_attention``, and ``torch/nn/attention/bias.py``.

Limits: where attention is taken apart into products before it is dispatched (3-dimensional inputs, a mask under which
no fused kernel works), its mask is one tensor among others, and the causal count is the dense one.
"""

from __future__ import annotations

from math import prod

from layerprof.flops.attention.base import Mask, Work, attention_flops, backward_work, forward_work
from layerprof.flops.base import Flops, Formula, OpCall


def _formula(first: int, work: Work, *, is_at_end: bool = False) -> Formula:
    """Of an op whose arguments from ``first`` on are query, key and value.

    Shape:
        query: (..., heads, queries, width), key: (..., key heads, keys, width),
        value: (..., key heads, keys, value width)
    """

    def formula(call: OpCall) -> Flops:
        query, key, value = (call.shape(first + i) for i in range(3))
        mask = Mask(after=0 if call.named.get("is_causal") else None, is_at_end=is_at_end)
        per_pair = prod(query[:-2]) * work(query[-1], value[-1])
        return attention_flops([(query[-2], key[-2])], per_pair, mask)

    return formula


_FROM_FIRST_KEY = (
    "aten._scaled_dot_product_flash_attention_for_cpu",
    "aten._scaled_dot_product_efficient_attention",
    "aten._scaled_dot_product_cudnn_attention",
    "aten._scaled_dot_product_fused_attention_overrideable",
)
_FORWARD_ONLY = (
    "aten._scaled_dot_product_attention_math",
    "aten._scaled_dot_product_attention_math_for_mps",
    "aten._triton_scaled_dot_attention",
)
FORMULAS: dict[str, Formula] = {
    **dict.fromkeys((*_FROM_FIRST_KEY, *_FORWARD_ONLY), _formula(0, forward_work)),
    **{f"{name}_backward": _formula(1, backward_work) for name in _FROM_FIRST_KEY},
    "aten._scaled_dot_product_flash_attention": _formula(0, forward_work, is_at_end=True),
    "aten._scaled_dot_product_flash_attention_backward": _formula(1, backward_work, is_at_end=True),
}
