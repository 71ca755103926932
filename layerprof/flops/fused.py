"""FLOPs of ops that run a whole layer at once: torch's fused attention, its fused encoder layer, oneDNN's LSTM.

Derivation: the sum of the products that the layer is made of. With batch B, length L and width E, multi-head
self-attention projects to Q, K and V (2·B·L·E·3E), forms scores and the weighted sum (2·B·L·L·2E, all heads together)
and projects back (2·B·L·E·E). The encoder layer adds two linear layers of hidden width F (2·B·L·E·F each). An LSTM's
four gates take, for each step and sample, a product with the input and one with the hidden state. Source: A. Vaswani
et al., Attention Is All You Need (2017), section 3.2; S. Hochreiter, J. Schmidhuber, Long Short-Term Memory (1997).
"""

from __future__ import annotations

from math import prod

from layerprof.flops.base import Flops, Formula, OpCall, Shape, shape_of


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


def lstm_layer(call: OpCall) -> Flops:
    """Of ``mkldnn_rnn_layer(input, weight0, weight1, ...)``: one direction of one layer of an LSTM.

    Shape:
        input: (length, batch, width); weight0: (4 hidden, width), weight1: (4 hidden, hidden)
    """
    length, batch, _ = call.shape(0)
    return Flops.same(2 * length * batch * (prod(call.shape(1)) + prod(call.shape(2))))


def _batched(shape: Shape) -> tuple[int, int, int]:
    batch, length, width = shape
    return batch, length, width


FORMULAS: dict[str, Formula] = {
    "aten._native_multi_head_attention": multi_head_attention,
    "aten._transformer_encoder_layer_fwd": encoder_layer,
    "aten.mkldnn_rnn_layer": lstm_layer,
}
