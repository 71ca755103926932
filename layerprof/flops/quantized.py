"""FLOPs of products with weights in a form of their own: packed 4- and 8-bit weights, oneDNN's and MKL's, 2:4 sparse.

Derivation: those of a linear layer, 2·rows·inner·columns, where the sizes are read off the input and the output,
because the packed weight has others. A product of integers counts as much as one of floats. Of a weight in which two
of every four elements are zero and left out, only those stored are multiplied: half. Source: the ops' schemas in
torch's ``native_functions.yaml``, ``aten/src/ATen/native/quantized/library.cpp`` and ``native/mkldnn/``; for 2:4
sparsity, A. Mishra et al., Accelerating Sparse Deep Neural Networks (2021), section 2.

Limits: a quantized convolution's kernel is inside its packed weight. It is read where the weight is at hand, and the
op is not counted where it is not.
"""

from __future__ import annotations

from math import prod

from layerprof.flops.base import Flops, Formula, OpCall, Shape, shape_of


def packed_linear(call: OpCall) -> Flops:
    """Of any op that takes ``x`` first and returns ``x`` times a weight.

    Shape:
        x: (..., inner), output: (..., columns)
    """
    return Flops.same(2 * prod(call.shape(0)) * call.output_shape()[-1])


def quantized_matmul(call: OpCall) -> Flops:
    """Of ``quantized.matmul(a, b, ...)``: every output is a dot product."""
    return Flops.same(2 * prod(call.output_shape()) * call.shape(0)[-1])


def sparse_linear(call: OpCall) -> Flops:
    """Of ``_sparse_semi_structured_linear(x, weight, ...)``.

    Shape:
        x: (..., inner), weight: (columns, inner / 2)
    """
    return Flops.same(2 * prod(call.shape(0)[:-1]) * prod(call.shape(1)))


def sparse_mm(call: OpCall) -> Flops:
    """Of ``_sparse_semi_structured_mm(a, meta, b)``.

    Shape:
        a: (rows, inner / 2), b: (inner, columns)
    """
    return Flops.same(2 * prod(call.shape(0)) * call.shape(2)[-1])


def sparse_addmm(call: OpCall) -> Flops:
    """Of ``_sparse_semi_structured_addmm(c, a, meta, b)``: as ``sparse_mm``."""
    return Flops.same(2 * prod(call.shape(1)) * call.shape(3)[-1])


def cslt_mm(call: OpCall) -> Flops:
    """Of ``_cslt_sparse_mm(compressed, b, ...)``: half of the inner dimension is stored.

    Shape:
        b: (inner, columns), output: (rows, columns), or (columns, rows) where it is asked for transposed
    """
    return Flops.same(prod(call.output_shape()) * call.shape(1)[0])


def packed_convolution(call: OpCall) -> Flops | None:
    """Of ``quantized.conv2d(x, packed, ...)`` and its kind.

    Shape:
        output: (N, C_out, *positions), unpacked weight: (C_out, C_in/groups, *kernel)
    """
    weight = _unpacked_weight(call)
    return None if weight is None else Flops.same(2 * prod(call.output_shape()) * prod(weight[1:]))


def packed_transposed_convolution(call: OpCall) -> Flops | None:
    """Of ``quantized.conv_transpose2d(x, packed, ...)`` and its kind.

    Shape:
        x: (N, C_in, *positions), unpacked weight: (C_in, C_out/groups, *kernel)
    """
    weight = _unpacked_weight(call)
    return None if weight is None else Flops.same(2 * prod(call.shape(0)) * prod(weight[1:]))


def _unpacked_weight(call: OpCall) -> Shape | None:
    packed = call.named.get("packed_weight", call.named.get("weight"))
    unpack = getattr(packed, "unpack", None)
    return shape_of(unpack()[0]) if unpack is not None else None


_LINEAR = """
aten._weight_int4pack_mm aten._weight_int4pack_mm_for_cpu aten._weight_int4pack_mm_with_scales_and_zeros
aten._weight_int8pack_mm aten._dyn_quant_matmul_4bit aten._mixed_dtypes_linear
mkl._mkl_linear mkldnn._linear_pointwise onednn.qlinear_pointwise onednn.linear_dynamic_fp16
onednn.linear_relu_dynamic_fp16 quantized.linear quantized.linear_relu quantized.linear_leaky_relu
quantized.linear_tanh quantized.linear_dynamic quantized.linear_relu_dynamic quantized.linear_dynamic_fp16
quantized.linear_relu_dynamic_fp16 quantized.linear_dynamic_fp16_unpacked_weight
quantized.linear_with_input_q_dq_qweight_dq_output_fp32 quantized.linear_with_input_q_dq_qweight_dq_relu_output_fp32
quantized.int4mm_packed_weight_cpu _quantized.linear _quantized.linear_dynamic
_quantized.wrapped_fbgemm_linear_fp16_weight _quantized.wrapped_quantized_linear
_quantized._wrapped_quantized_linear_prepacked
"""
_CONVOLUTIONS = """
quantized.conv1d quantized.conv1d_relu quantized.conv1d_dynamic quantized.conv2d quantized.conv2d_relu
quantized.conv2d_add quantized.conv2d_add_relu quantized.conv2d_dynamic quantized.conv3d quantized.conv3d_relu
quantized.conv3d_dynamic _quantized.conv2d _quantized.conv2d_relu _quantized.conv3d _quantized.conv3d_relu
"""
_TRANSPOSED_CONVOLUTIONS = """
quantized.conv_transpose1d quantized.conv_transpose1d_dynamic quantized.conv_transpose2d
quantized.conv_transpose2d_dynamic quantized.conv_transpose3d quantized.conv_transpose3d_dynamic
_quantized.conv_transpose1d _quantized.conv_transpose2d
"""
FORMULAS: dict[str, Formula] = {
    **dict.fromkeys(_LINEAR.split(), packed_linear),
    **dict.fromkeys(_CONVOLUTIONS.split(), packed_convolution),
    **dict.fromkeys(_TRANSPOSED_CONVOLUTIONS.split(), packed_transposed_convolution),
    "quantized.matmul": quantized_matmul,
    "aten._sparse_semi_structured_linear": sparse_linear,
    "aten._sparse_semi_structured_mm": sparse_mm,
    "aten._sparse_semi_structured_addmm": sparse_addmm,
    "aten._cslt_sparse_mm": cslt_mm,
}
