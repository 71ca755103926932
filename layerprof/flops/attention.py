"""FLOPs of scaled dot-product attention: scores Q·Kᵀ and the weighted sum P·V, softmax and scaling 0 by convention.

Derivation: per batch and query head, scores are a (queries, width) by (width, keys) product and the sum a
(queries, keys) by (keys, value width) one: 2·queries·keys·(width + value width). With grouped queries it is the query
heads that count, for each of them does this work. Causal attention computes all of it in dense kernels; the causal
count takes only the pairs that the mask keeps. Source: T. Dao et al., FlashAttention (2022), algorithm 1 and its
backward, algorithm 4 (five products: recomputed scores, dV, dP, dQ, dK).
"""

from __future__ import annotations

from math import prod

from layerprof.flops.base import Flops, Formula, OpCall, Shape


def attention_flops(query: Shape, key: Shape, value: Shape, *, is_causal: bool) -> Flops:
    """FLOPs of one attention call, dense and causal.

    Args:
        query: its shape; the heads are its own.
        key: its shape.
        value: its shape.
        is_causal: whether query i may only see keys up to i (aligned at the first key, as torch does).

    Shape:
        query: (batch, heads, queries, width), key: (batch, key heads, keys, width),
        value: (batch, key heads, keys, value width)
    """
    per_pair = 2 * prod(query[:-2]) * (query[-1] + value[-1])
    queries, keys = query[-2], key[-2]
    pairs = causal_pairs(queries, keys) if is_causal else queries * keys
    return Flops(per_pair * queries * keys, per_pair * pairs)


def causal_pairs(queries: int, keys: int) -> int:
    """How many (query, key) pairs a causal mask keeps: query i sees keys 0 to i."""
    full = min(queries, keys)
    return full * (full + 1) // 2 + max(queries - keys, 0) * keys


def attention_backward_flops(query: Shape, key: Shape, value: Shape, *, is_causal: bool) -> Flops:
    """FLOPs of a fused kernel's backward: scores, dQ and dK run over the width, dP and dV over the value width."""
    per_batch = 2 * prod(query[:-2])
    per_pair = per_batch * (3 * query[-1] + 2 * value[-1])
    queries, keys = query[-2], key[-2]
    pairs = causal_pairs(queries, keys) if is_causal else queries * keys
    return Flops(per_pair * queries * keys, per_pair * pairs)


def forward(call: OpCall) -> Flops:
    """Of the fused ops ``(query, key, value, ...)``."""
    is_causal = bool(call.named.get("is_causal", False))
    return attention_flops(call.shape(0), call.shape(1), call.shape(2), is_causal=is_causal)


def backward(call: OpCall) -> Flops:
    """Of the backward of the fused ops, ``(gradient, query, key, value, ...)``."""
    is_causal = bool(call.named.get("is_causal", False))
    return attention_backward_flops(call.shape(1), call.shape(2), call.shape(3), is_causal=is_causal)


_FUSED = (
    "aten._scaled_dot_product_flash_attention_for_cpu",
    "aten._scaled_dot_product_flash_attention",
    "aten._scaled_dot_product_efficient_attention",
    "aten._scaled_dot_product_cudnn_attention",
    "aten._scaled_dot_product_fused_attention_overrideable",
)
FORMULAS: dict[str, Formula] = {
    **dict.fromkeys(_FUSED, forward),
    **{f"{name}_backward": backward for name in _FUSED},
}
