"""FLOPs of recurrent layers that run in one op: LSTM, GRU and RNN of oneDNN, cuDNN, MIOpen, MPS and quantized ones.

Derivation: a gate takes a product with the input and one with the hidden state at each step, so every element of every
weight matrix meets each step of each sample once: 2 · steps · elements of the matrices. That holds for stacked layers,
both directions and projected hidden states alike, for those are more matrices. Of a batch of unequal lengths the steps
are those that exist. Backward takes as much for the gradients that go back through time, and as much again for those
of the weights. Source: S. Hochreiter, J. Schmidhuber, Long Short-Term Memory (1997); K. Cho et al., Learning Phrase
Representations using RNN Encoder-Decoder (2014); H. Sak et al., LSTM Recurrent Neural Network Architectures (2014), for
projections.

Limits: layers that are not in one op (on most devices GRU, RNN and cells) arrive as products, and are counted as such;
their backward leaves out gradients that nobody asked for, as that of the first hidden state.
"""

from __future__ import annotations

from math import prod

from layerprof.flops.base import Flops, Formula, OpCall, Shape, shape_of

_MATRIX = 2  # dimensions; a bias has one
_GATES = {"lstm": 4, "gru": 3, "rnn": 1}


def steps_flops(steps: int, matrices: list[Shape]) -> int:
    """FLOPs of so many steps, all samples together, through all matrices.

    Shape:
        matrices: (gates · hidden, width), (gates · hidden, hidden) and, where projected, (projected, hidden)
    """
    return 2 * steps * sum(prod(matrix) for matrix in matrices)


def one_layer(call: OpCall) -> Flops:
    """Of ``mkldnn_rnn_layer(input, weight0, weight1, ...)``: one direction of one layer.

    Shape:
        input: (length, batch, width); weight0: (gates · hidden, width), weight1: (gates · hidden, hidden)
    """
    return Flops.same(_one_layer(call))


def one_layer_backward(call: OpCall) -> Flops:
    """Of ``mkldnn_rnn_layer_backward(input, weight1, weight2, ...)``, which computes all gradients."""
    return Flops.same(2 * _one_layer(call))


def _one_layer(call: OpCall) -> int:
    return steps_flops(prod(call.shape(0)[:-1]), [call.shape(1), call.shape(2)])


def all_layers(call: OpCall) -> Flops:
    """Of ``_cudnn_rnn(input, weights, ...)`` and its kind.

    Shape:
        input: (length, batch, width), (batch, length, width), or (steps, width) for unequal lengths
    """
    return Flops.same(_all_layers(call))


def all_layers_backward(call: OpCall) -> Flops:
    """Of ``_cudnn_rnn_backward(input, weights, ..., output_mask)``: the weights' gradients where they are asked for."""
    mask = call.named.get("output_mask")
    wants_weights = bool(mask[-1]) if isinstance(mask, list | tuple) else True
    return Flops.same(_all_layers(call) * (2 if wants_weights else 1))


def _all_layers(call: OpCall) -> int:
    weights = call.named["weight"] if "weight" in call.named else call.named["params"]
    shapes = [shape_of(weight) for weight in weights] if isinstance(weights, list | tuple) else []
    return steps_flops(prod(_input_shape(call)[:-1]), [shape for shape in shapes if len(shape) == _MATRIX])


def _input_shape(call: OpCall) -> Shape:
    return shape_of(call.named.get("input", call.named.get("data")))


def _quantized(gates: int) -> Formula:
    """Of ``quantized_lstm(input, hidden, params, ...)`` and its kind, whose weights are packed.

    Shape:
        input: as above; hidden: (layers · directions, batch, hidden), in a list for an LSTM
    """

    def formula(call: OpCall) -> Flops:
        width = _input_shape(call)[-1]
        number, _, hidden = _hidden_shape(call)
        directions = 2 if call.named.get("bidirectional") else 1
        first = directions * [(gates * hidden, width + hidden)]
        others = (number - directions) * [(gates * hidden, directions * hidden + hidden)]
        return Flops.same(steps_flops(prod(_input_shape(call)[:-1]), [*first, *others]))

    return formula


def _quantized_cell(gates: int) -> Formula:
    """Of ``quantized.quantized_lstm_cell_dynamic(input, hidden, ...)`` and its kind.

    Shape:
        input: (batch, width); hidden: (batch, hidden), in a list for an LSTM
    """

    def formula(call: OpCall) -> Flops:
        batch, width = call.shape(0)
        hidden = _hidden_shape(call)[-1]
        return Flops.same(steps_flops(batch, [(gates * hidden, width + hidden)]))

    return formula


def _hidden_shape(call: OpCall) -> Shape:
    hidden = call.named["hx"]
    return shape_of(hidden[0] if isinstance(hidden, list | tuple) else hidden)


FORMULAS: dict[str, Formula] = {
    "aten.mkldnn_rnn_layer": one_layer,
    "aten.mkldnn_rnn_layer_backward": one_layer_backward,
    **dict.fromkeys(("aten._cudnn_rnn", "aten.miopen_rnn", "aten._lstm_mps"), all_layers),
    **dict.fromkeys(("aten._cudnn_rnn_backward", "aten.miopen_rnn_backward"), all_layers_backward),
    "aten.lstm_mps_backward": all_layers_backward,
    "aten.quantized_lstm": _quantized(_GATES["lstm"]),
    "aten.quantized_gru": _quantized(_GATES["gru"]),
    "quantized.quantized_lstm_cell_dynamic": _quantized_cell(_GATES["lstm"]),
    "quantized.quantized_gru_cell_dynamic": _quantized_cell(_GATES["gru"]),
    "quantized.quantized_rnn_relu_cell_dynamic": _quantized_cell(_GATES["rnn"]),
    "quantized.quantized_rnn_tanh_cell_dynamic": _quantized_cell(_GATES["rnn"]),
}
