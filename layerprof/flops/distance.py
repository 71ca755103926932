"""FLOPs of distances between all pairs of points: 2 for each pair and coordinate.

Derivation: |a - b|² = |a|² + |b|² - 2 a·b, in which the products a·b of all pairs are a matrix product of sizes
(points, width) and (width, other points); the norms grow with the points and not with their pairs, and like every norm
they are 0 by convention. torch takes this way for many points, and for few it subtracts, multiplies and adds; other
powers than 2 have other elementwise work in its place. The count is the same on all ways, so that it does not jump with
the number of points. The gradient of each of the two operands is a sum over the other's points, as much as forward.
Source: torch's ``aten/src/ATen/native/Distance.cpp``.
"""

from __future__ import annotations

from math import prod

from layerprof.flops.base import Flops, Formula, OpCall


def pairs(call: OpCall) -> Flops:
    """Of ``_cdist_forward(a, b, ...)``, ``_euclidean_dist(a, b)`` and ``_pdist_forward(a, ...)``.

    Shape:
        a, b: (..., points, width), output: one element for each pair
    """
    return Flops.same(2 * prod(call.output_shape()) * call.shape(0)[-1])


def cdist_backward(call: OpCall) -> Flops:
    """Of ``_cdist_backward(gradient, a, b, ...)``, which is called for each operand by itself.

    Shape:
        gradient: one element for each pair; a, b: (..., points, width)
    """
    return Flops.same(2 * prod(call.shape(0)) * call.shape(1)[-1])


def pdist_backward(call: OpCall) -> Flops:
    """Of ``_pdist_backward(gradient, a, ...)``, in which both points of a pair have a share of the gradient."""
    return Flops.same(2 * 2 * prod(call.shape(0)) * call.shape(1)[-1])


FORMULAS: dict[str, Formula] = {
    **dict.fromkeys(("aten._cdist_forward", "aten._euclidean_dist", "aten._pdist_forward"), pairs),
    "aten._cdist_backward": cdist_backward,
    "aten._pdist_backward": pdist_backward,
}
