"""FLOPs of attention in all of its forms: torch's fused ops, the kernels below them and beside them, flex attention."""

from layerprof.flops.attention import flex, kernels, scaled
from layerprof.flops.base import Formula

FORMULAS: dict[str, Formula] = {**scaled.FORMULAS, **kernels.FORMULAS, **flex.FORMULAS}
