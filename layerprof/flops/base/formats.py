"""The number format that an op computes its products in: what decides which ceiling of the machine applies to it.

It is read off the operands at dispatch, below autocast, so it is what the kernel gets and not what the model says. Of
several formats the narrowest floating one counts: an ``_scaled_mm`` of 8-bit operands has scales and a bias in wider
ones, and an ``addmm`` may add into a wider sum. Accelerators may round single precision to TensorFloat-32 on the way
in, where the user's settings allow it.

Source: NVIDIA, Accelerating AI Training with NVIDIA TF32 Tensor Cores (2021), for TF32; torch's notes on CUDA
semantics for the settings, which differ between products and convolutions.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

TF32 = "tf32"
INT8 = "int8"
UNKNOWN = "unknown"


def format_of(operands: Iterable[torch.Tensor], *, is_convolution: bool) -> str:
    """The name of the format: torch's own (``torch.`` left out), or ``tf32``; ``unknown`` without a number to multiply.

    Args:
        operands: the tensors given to the op; a quantized one, of which the dynamic ops have the weight alone, is
            multiplied as 8-bit integers, in whatever format the op takes and gives.
        is_convolution: whether it is one; the settings of TF32 are others than those of products.
    """
    operands = list(operands)
    if any(tensor.is_quantized for tensor in operands):
        return INT8
    multiplied = [tensor for tensor in operands if tensor.dtype != torch.bool]
    floating = [tensor for tensor in multiplied if tensor.is_floating_point() or tensor.is_complex()]
    candidates = floating or [tensor for tensor in multiplied if tensor.dtype in (torch.int8, torch.uint8)]
    if not candidates:
        return UNKNOWN
    narrowest = min(candidates, key=lambda tensor: _width(tensor.dtype))
    dtype = narrowest.dtype.to_real() if narrowest.is_complex() else narrowest.dtype
    if dtype == torch.float32 and narrowest.device.type == "cuda" and _rounds_to_tf32(is_convolution=is_convolution):
        return TF32
    return str(dtype).removeprefix("torch.")


def _width(dtype: torch.dtype) -> int:
    return dtype.to_real().itemsize if dtype.is_complex else dtype.itemsize


def _rounds_to_tf32(*, is_convolution: bool) -> bool:
    """Whether the settings let single precision be rounded; torch refuses the old question once the new one was set."""
    backend = getattr(torch.backends.cudnn, "conv", None) if is_convolution else torch.backends.cuda.matmul
    precision = getattr(backend, "fp32_precision", None)
    if isinstance(precision, str) and precision != "none":
        return precision == TF32
    general = getattr(torch.backends, "fp32_precision", "none")
    if general != "none":
        return bool(general == TF32)
    return bool(torch.backends.cudnn.allow_tf32 if is_convolution else torch.backends.cuda.matmul.allow_tf32)
