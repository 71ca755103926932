"""FLOPs of Fourier transforms: 5 n log2 n for a complex one of length n, half of that where one side is real.

Derivation: a transform of length 2^m has m stages of n/2 butterflies, each a complex multiplication (6 FLOPs) and two
complex additions (2 each): 10 · n/2 · m. Over several dimensions n is the product of their lengths, as the logarithms
add up. Other lengths count by the same formula, rounded to a whole number for each call. Source: M. Frigo,
S. G. Johnson, The Design and Implementation of FFTW3 (2005), section 5, which takes 5 n log2 n and 2.5 n log2 n to
compare programs, whatever they execute.
"""

from __future__ import annotations

from math import log2, prod

from layerprof.flops.base import Flops, Formula, OpCall, Shape

_FLOPS_OF_COMPLEX = 5.0  # per element and stage
_FLOPS_OF_REAL = 2.5


def transform_flops(shape: Shape, dims: tuple[int, ...], *, flops_per_element: float) -> int:
    """FLOPs of all transforms over ``dims`` of an array.

    Shape:
        shape: that of the longer side, as in ``n`` complex or real numbers, where the other has ``n // 2 + 1``
    """
    length = prod(shape[dim] for dim in dims)
    return round(flops_per_element * prod(shape) * log2(length)) if length > 1 else 0


def complex_to_complex(call: OpCall) -> Flops:
    """Of ``_fft_c2c(x, dims, ...)``."""
    return Flops.same(transform_flops(call.shape(0), _dims(call), flops_per_element=_FLOPS_OF_COMPLEX))


def real_to_complex(call: OpCall) -> Flops:
    """Of ``_fft_r2c(x, dims, ...)``, in half or in full: the other half is the first one's conjugate."""
    return Flops.same(transform_flops(call.shape(0), _dims(call), flops_per_element=_FLOPS_OF_REAL))


def complex_to_real(call: OpCall) -> Flops:
    """Of ``_fft_c2r(x, dims, ...)``, whose output has the full length."""
    return Flops.same(transform_flops(call.output_shape(), _dims(call), flops_per_element=_FLOPS_OF_REAL))


def _dims(call: OpCall) -> tuple[int, ...]:
    dims = call.named["dim"]
    return tuple(dims) if isinstance(dims, list | tuple) else ()


FORMULAS: dict[str, Formula] = {
    "aten._fft_c2c": complex_to_complex,
    "aten._fft_r2c": real_to_complex,
    "aten._fft_c2r": complex_to_real,
}
