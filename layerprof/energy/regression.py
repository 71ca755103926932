"""Power of layers that could not be replayed, from windows of larger modules in which they took a known share of time.

    P(window) = sum over layers of (share of the window's time) x P(layer)

Each window gives one equation. Layers are told apart only where their shares vary from window to window.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from layerprof.estimates import Estimate, summed

_LEAST_ERROR_REL = 1e-6  # of a power that comes without an error: weights have to be finite
_RANK_REL = 1e-9  # singular values below it, relative to the largest, are rounding
_NULL = 1e-6  # an unknown with less of it in the null space is determined

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Windows of a larger module.

    Attributes:
        power_w: mean power in them.
        fractions: of their time, by what ran: layers, and idling where nothing did.

    Raises:
        ValueError: where a fraction is negative or not a number.
    """

    power_w: Estimate
    fractions: Mapping[str, float]

    def __post_init__(self) -> None:
        for name, fraction in self.fractions.items():
            if not 0.0 <= fraction < math.inf:
                raise ValueError(f"a share of time is a number from 0 up; found {fraction} for {name}")


def regressed_powers(mixes: Sequence[Mix], known: Mapping[str, Estimate]) -> Mapping[str, Estimate]:
    """Powers that the windows determine, by least squares; what they do not determine is left out.

    Left out are names that the equations do not tell apart, those that come out negative, and those whose 95 %
    interval is wider than their value. Windows count by the inverse square of their error. Where they disagree by
    more than their errors, the errors are made larger until they do not.

    Args:
        mixes: windows.
        known: powers that are not asked for, such as of replayed layers and of idling.

    Returns:
        Name to watts, for part of the names in the mixes that are not known; errors are correlated as the solution
        makes them.

    Source:
        A. C. Aitken, On least squares and linear combination of observations (1935); for the larger errors R. T. Birge,
        The calculation of errors by the method of least squares (1932).
    """
    names = sorted({name for mix in mixes for name, fraction in mix.fractions.items() if fraction > 0.0} - set(known))
    if not names:
        return {}
    rests = [_rest(mix, known) for mix in mixes]
    weights = np.array([1.0 / _error_w(rest, mix) for rest, mix in zip(rests, mixes, strict=True)])
    shares = np.array([[mix.fractions.get(name, 0.0) for name in names] for mix in mixes])
    inverse, is_determined, rank = _inverted(weights[:, None] * shares)
    solution = inverse * weights[None, :]  # (names, mixes): watts of a name for each watt of a mix
    growth = _birge(weights, shares, solution, np.array([rest.value for rest in rests]), rank)
    found = {
        name: _grown(summed(rest.scaled(float(factor)) for rest, factor in zip(rests, row, strict=True)), growth)
        for name, row, is_known in zip(names, solution, is_determined, strict=True)
        if is_known
    }
    return {name: power for name, power in found.items() if _is_told(power)}


def _rest(mix: Mix, known: Mapping[str, Estimate]) -> Estimate:
    """What the unknown layers have to account for."""
    parts = [known[name].scaled(fraction) for name, fraction in mix.fractions.items() if name in known]
    return mix.power_w - summed(parts)


def _error_w(rest: Estimate, mix: Mix) -> float:
    return max(rest.standard_error, _LEAST_ERROR_REL * max(abs(mix.power_w.value), _LEAST_ERROR_REL))


def _inverted(matrix: _Floats) -> tuple[_Floats, list[bool], int]:
    """The pseudo-inverse, which unknowns the equations determine, and how many equations are independent."""
    left, sizes, right = np.linalg.svd(matrix, full_matrices=True)
    rank = int(np.sum(sizes > _RANK_REL * sizes[0])) if sizes[0] > 0.0 else 0
    inverse = (right[:rank].T / sizes[:rank]) @ left[:, :rank].T
    null = right[rank:]  # directions in which the unknowns may change unseen
    return inverse, [bool(np.all(np.abs(column) < _NULL)) for column in null.T], rank


def _birge(weights: _Floats, shares: _Floats, solution: _Floats, rests_w: _Floats, rank: int) -> float:
    """By how much errors have to grow for the windows to agree with one another; 1 where they do."""
    freedom = len(rests_w) - rank
    if freedom <= 0:
        return 1.0
    misfit = weights * (rests_w - shares @ (solution @ rests_w))
    return max(1.0, math.sqrt(float(misfit @ misfit) / freedom))


def _is_told(power: Estimate) -> bool:
    return power.value > 0.0 and 2.0 * power.half_width <= power.value


def _grown(power: Estimate, growth: float) -> Estimate:
    errors = tuple(replace(part, error=growth * part.error) for part in power.errors)
    return replace(power, errors=errors)
