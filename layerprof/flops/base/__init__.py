"""What formulas and counter share: a dispatched op as they see it, its format, and the bytes it has to move."""

from layerprof.flops.base.base import as_it_is, has_data, packed_in, tensors_in
from layerprof.flops.base.calls import Flops, Formula, OpCall, Shape, matmul_flops, shape_of
from layerprof.flops.base.formats import format_of
from layerprof.flops.base.traffic import least_bytes

__all__ = [
    "Flops",
    "Formula",
    "OpCall",
    "Shape",
    "as_it_is",
    "format_of",
    "has_data",
    "least_bytes",
    "matmul_flops",
    "packed_in",
    "shape_of",
    "tensors_in",
]
