"""FLOPs of ops that run a whole layer at once: torch's fused attention, and its fused encoder layer.

Derivation: the sum of the products that the layer is made of. With batch B, length L and width E, multi-head
self-attention projects to Q, K and V (2·B·L·E·3E), forms scores and the weighted sum (2·B·L·L·2E, all heads together)
and projects back (2·B·L·E·E). The encoder layer adds two linear layers of hidden width F (2·B·L·E·F each). Masks are
tensors, and dense. Source: A. Vaswani et al., Attention Is All You Need (2017), sections 3.2 and 3.3; torch's
``aten/src/ATen/native/transformers/``.

Limits: of a ragged batch each sequence counts by its own length, though some of the kernels pad the scores.
"""

from __future__ import annotations

from math import prod

from layerprof.flops.base import Flops, Formula, OpCall, Shape, shape_of

_BATCHED = 3  # dimensions of (batch, length, width); one sequence of a ragged batch has one less


def self_attention_flops(batch: int, length: int, width: int) -> int:
    """FLOPs of multi-head self-attention with its four projections."""
    projections = 2 * batch * length * width * 4 * width
    return projections + 2 * batch * length * length * 2 * width


def multi_head_attention(call: OpCall) -> Flops:
    """Of ``_native_multi_head_attention(query, key, value, ...)``, which torch uses for self-attention.

    Shape:
        query, key, value: (batch, length, width)
    """
    return Flops.same(self_attention_flops(*_batched(call.shape(0))))


def encoder_layer(call: OpCall) -> Flops:
    """Of ``_transformer_encoder_layer_fwd(src, ..., ffn_weight_1, ..., ffn_weight_2, ...)``.

    Shape:
        src: (batch, length, width); ffn_weight_1: (hidden, width), ffn_weight_2: (width, hidden)
    """
    batch, length, width = _batched(call.shape(0))
    weights = prod(shape_of(call.named["ffn_weight_1"])) + prod(shape_of(call.named["ffn_weight_2"]))
    return Flops.same(self_attention_flops(batch, length, width) + 2 * batch * length * weights)


def _batched(shape: Shape) -> tuple[int, int, int]:
    batch, length, width = shape if len(shape) == _BATCHED else (1, *shape)
    return batch, length, width


FORMULAS: dict[str, Formula] = {
    **dict.fromkeys(("aten._native_multi_head_attention", "aten._triton_multi_head_attention"), multi_head_attention),
    "aten._transformer_encoder_layer_fwd": encoder_layer,
}
