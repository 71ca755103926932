"""FLOPs of convolutions: every output (every input, where transposed) meets each weight of its group once.

Derivation: output element (n, o, position) is the sum over C_in/groups channels and all kernel positions, hence
2 · N · C_out · positions_out · C_in/groups · kernel. A transposed convolution scatters instead: input element
(n, i, position) is multiplied with C_out/groups · kernel weights. Padding positions count as computed, as dense
kernels compute them. Source: V. Dumoulin, F. Visin, A guide to convolution arithmetic (2016), chapters 2 and 4.
"""

from __future__ import annotations

from math import prod

from layerprof.flops.base import Flops, Formula, OpCall, Shape


def convolution_flops(input_shape: Shape, weight_shape: Shape, output_shape: Shape, *, is_transposed: bool) -> int:
    """FLOPs of one convolution of any dimension.

    Args:
        input_shape: of the input.
        weight_shape: of the weight; groups are in it already.
        output_shape: of the output.
        is_transposed: whether the weight is laid out and used for a transposed convolution.

    Shape:
        input_shape: (N, C_in, *positions); output_shape: (N, C_out, *positions)
        weight_shape: (C_out, C_in/groups, *kernel), transposed (C_in, C_out/groups, *kernel)
    """
    met_by = prod(input_shape) if is_transposed else prod(output_shape)
    return 2 * met_by * prod(weight_shape[1:])


def convolution(call: OpCall) -> Flops:
    """Of ``convolution(input, weight, bias, stride, padding, dilation, transposed, ...)``."""
    is_transposed = bool(call.named.get("transposed", False))
    flops = convolution_flops(call.shape(0), call.shape(1), call.output_shape(), is_transposed=is_transposed)
    return Flops.same(flops)


def mkldnn_convolution(call: OpCall) -> Flops:
    """Of ``mkldnn_convolution(input, weight, ...)``, which is never transposed."""
    flops = convolution_flops(call.shape(0), call.shape(1), call.output_shape(), is_transposed=False)
    return Flops.same(flops)


def convolution_backward(call: OpCall) -> Flops:
    """Of ``convolution_backward(gradient, input, weight, ...)``: as much as forward for each gradient asked for.

    Both the gradient of the input and that of the weight pair every output element with each weight of its group.
    """
    is_transposed = bool(call.named.get("transposed", False))
    forward = convolution_flops(call.shape(1), call.shape(2), call.shape(0), is_transposed=is_transposed)
    mask = call.named.get("output_mask", (True, True, False))
    asked = sum(bool(wanted) for wanted in mask[:2]) if isinstance(mask, list | tuple) else 2
    return Flops.same(forward * asked)


FORMULAS: dict[str, Formula] = {
    "aten.convolution": convolution,
    "aten._convolution": convolution,
    "aten.convolution_overrideable": convolution,
    "aten.mkldnn_convolution": mkldnn_convolution,
    "aten.convolution_backward": convolution_backward,
    "aten.convolution_backward_overrideable": convolution_backward,
}
