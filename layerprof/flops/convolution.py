"""FLOPs of convolutions: every output (every input, where transposed) meets each weight of its group once.

Derivation: output element (n, o, position) is the sum over C_in/groups channels and all kernel positions, hence
2 · N · positions_out · C_out · C_in/groups · kernel: each weight meets each output position. A transposed convolution
scatters instead: input element (n, i, position) is multiplied with C_out/groups · kernel weights, so each weight meets
each input position. Both gradients pair every output element with each weight of its group again, so each costs what
the result did. torch makes three real convolutions of a complex one, and those are counted; one that came whole would
be four. Padding positions count as computed, as dense kernels compute them, and so does a transformed algorithm (FFT,
Winograd), whatever it saves.
Source: V. Dumoulin, F. Visin, A guide to convolution arithmetic for deep learning (2016), chapters 2 and 4; for the
forms of the ops, torch's ``native_functions.yaml`` and ``aten/src/ATen/native/mkldnn/``; for the complex one,
``complex_convolution`` in ``aten/src/ATen/native/Convolution.cpp``.
"""

from __future__ import annotations

from math import prod

from layerprof.flops.base import Flops, Formula, OpCall, Shape, shape_of


def convolution_flops(input_shape: Shape, weight_shape: Shape, output_shape: Shape, *, is_transposed: bool) -> int:
    """FLOPs of one convolution of any dimension.

    Args:
        input_shape: of the input.
        weight_shape: of the weight; groups are in it already.
        output_shape: of the output.
        is_transposed: whether the weight is laid out and used for a transposed convolution.

    Shape:
        input_shape: (N, C_in, *positions); output_shape: (N, C_out, *positions)
        weight_shape: (C_out, C_in/groups, *kernel), transposed (C_in, C_out/groups, *kernel); libraries that reorder
        it put in dimensions, but no elements
    """
    batch, _, *positions = input_shape if is_transposed else output_shape
    return 2 * batch * prod(positions) * prod(weight_shape)


def convolution(call: OpCall) -> Flops:
    """Of ``convolution(input, weight, bias, stride, padding, dilation, transposed, ...)``."""
    return _forward(call, is_transposed=bool(call.named.get("transposed", False)))


def plain_convolution(call: OpCall) -> Flops:
    """Of ``mkldnn_convolution(input, weight, ...)`` and its kind, which is never transposed."""
    return _forward(call, is_transposed=False)


def transposed_convolution(call: OpCall) -> Flops:
    """Of ``cudnn_convolution_transpose(input, weight, ...)`` and its kind."""
    return _forward(call, is_transposed=True)


def _forward(call: OpCall, *, is_transposed: bool) -> Flops:
    flops = convolution_flops(call.shape(0), call.shape(1), call.output_shape(), is_transposed=is_transposed)
    return Flops.same(call.multiplier(0) * flops)


def fused_convolution(call: OpCall) -> Flops:
    """Of oneDNN's ops, whose input and weight stand at different positions, but under one of two names."""
    first = shape_of(_named(call, "X", "qx"))
    weight = shape_of(_named(call, "W", "qw"))
    return Flops.same(convolution_flops(first, weight, call.output_shape(), is_transposed=False))


def _named(call: OpCall, *names: str) -> object:
    return next((call.named[name] for name in names if name in call.named), None)


def time_batch_channel_convolution(call: OpCall) -> Flops:
    """Of ``conv_tbc(input, weight, bias, ...)``.

    Shape:
        input: (length, batch, C_in), weight: (kernel, C_in, C_out), output: (length out, batch, C_out)
    """
    kernel, channels, _ = call.shape(1)
    return Flops.same(2 * prod(call.output_shape()) * kernel * channels)


def convolution_backward(call: OpCall) -> Flops:
    """Of ``convolution_backward(gradient, input, weight, ...)``: as much as forward for each gradient asked for."""
    return _backward(call, (0, 1, 2), is_transposed=bool(call.named.get("transposed", False)))


def mps_backward(call: OpCall) -> Flops:
    """Of ``mps_convolution_backward(input, gradient, weight, ...)``."""
    return _backward(call, (1, 0, 2), is_transposed=False)


def mps_transposed_backward(call: OpCall) -> Flops:
    """Of ``mps_convolution_transpose_backward(input, gradient, weight, ...)``."""
    return _backward(call, (1, 0, 2), is_transposed=True)


def _backward(call: OpCall, positions: tuple[int, int, int], *, is_transposed: bool) -> Flops:
    gradient, given, weight = (call.shape(position) for position in positions)
    forward = convolution_flops(given, weight, gradient, is_transposed=is_transposed)
    return Flops.same(call.multiplier(positions[0]) * forward * _asked(call))


def _asked(call: OpCall) -> int:
    """For how many of input and weight a gradient is asked for; that of the bias costs nothing."""
    mask = call.named.get("output_mask")
    return sum(bool(wanted) for wanted in mask[:2]) if isinstance(mask, list | tuple) else 2


def deformable_backward(call: OpCall) -> Flops:
    """Of torchvision's ``_deform_conv2d_backward(gradient, input, weight, ...)``, which computes both gradients."""
    forward = convolution_flops(call.shape(1), call.shape(2), call.shape(0), is_transposed=False)
    return Flops.same(2 * forward)


_WHOLE = "aten.convolution aten._convolution aten.convolution_overrideable"
_PLAIN = """
aten.mkldnn_convolution aten.cudnn_convolution aten.cudnn_convolution_relu aten.cudnn_convolution_add_relu
aten.miopen_convolution aten.miopen_convolution_relu aten.miopen_convolution_add_relu aten.miopen_depthwise_convolution
aten._slow_conv2d_forward aten.slow_conv3d_forward aten.slow_conv_dilated2d aten.slow_conv_dilated3d
aten._conv_depthwise2d aten.conv_depthwise3d aten._nnpack_spatial_convolution aten._mps_convolution
torchvision.deform_conv2d
"""
_TRANSPOSED = """
aten.cudnn_convolution_transpose aten.miopen_convolution_transpose aten.slow_conv_transpose2d
aten.slow_conv_transpose3d aten._mps_convolution_transpose mkldnn._convolution_transpose_pointwise
"""
_FUSED = """
mkldnn._convolution_pointwise mkldnn._convolution_pointwise_ onednn.qconv_pointwise onednn.qconv1d_pointwise
onednn.qconv2d_pointwise onednn.qconv3d_pointwise
"""
_BACKWARD = "aten.convolution_backward aten.convolution_backward_overrideable aten._slow_conv2d_backward"
FORMULAS: dict[str, Formula] = {
    **dict.fromkeys(_WHOLE.split(), convolution),
    **dict.fromkeys(_PLAIN.split(), plain_convolution),
    **dict.fromkeys(_TRANSPOSED.split(), transposed_convolution),
    **dict.fromkeys(_FUSED.split(), fused_convolution),
    **dict.fromkeys(_BACKWARD.split(), convolution_backward),
    "aten.conv_tbc": time_batch_channel_convolution,
    "aten.mps_convolution_backward": mps_backward,
    "aten.mps_convolution_transpose_backward": mps_transposed_backward,
    "torchvision._deform_conv2d_backward": deformable_backward,
}
