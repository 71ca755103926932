"""Numbers with their errors, and what becomes of the errors when numbers are added, multiplied and divided.

An error part says by how much the value would be off if one source of error were off by one standard deviation. Parts
of the same name move together: two layers whose power came from the same windows are wrong in the same direction, so
their parts add up; parts of different names add in quadrature. Errors are taken as small (first order).

    power = from_samples([20.1, 19.8, 20.3, 20.0, 19.9], origin="block")          # W
    time = from_samples([0.0101, 0.0099, 0.0100], origin="time of block")         # s
    (power * time).ci95                                                           # J
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

# Two-sided 95 % quantiles of Student's t by degrees of freedom (any table, such as NIST/SEMATECH e-Handbook 1.3.6.7.2).
_QUANTILES = (
    (1.0, 12.7062), (2.0, 4.3027), (3.0, 3.1824), (4.0, 2.7764), (5.0, 2.5706), (6.0, 2.4469), (7.0, 2.3646),
    (8.0, 2.3060), (9.0, 2.2622), (10.0, 2.2281), (12.0, 2.1788), (15.0, 2.1314), (20.0, 2.0860), (30.0, 2.0423),
    (60.0, 2.0003), (120.0, 1.9799), (math.inf, 1.9600),
)  # fmt: skip


def t_quantile(degrees: float) -> float:
    """Half the width of a 95 % interval in standard errors, by degrees of freedom (need not be whole).

    Between the table's rows it is interpolated in 1 / degrees, which is never too narrow.

    Raises:
        ValueError: below one degree of freedom.
    """
    if not degrees >= 1.0:
        raise ValueError(f"an interval needs at least one degree of freedom; found {degrees}")
    for (low, wide), (high, narrow) in pairwise(_QUANTILES):
        if degrees <= high:
            share = (1.0 / degrees - 1.0 / high) / (1.0 / low - 1.0 / high)
            return narrow + share * (wide - narrow)
    return _QUANTILES[-1][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPart:
    """How one source of error moves a value.

    Attributes:
        origin: what the error was estimated from; parts of one origin share their degrees of freedom.
        part: which error of that origin: equal ones move together.
        error: what the value is off by when it is off by one standard deviation; signed.
        degrees: degrees of freedom that the standard deviation was estimated with; infinite where it is known.
    """

    origin: str
    part: str
    error: float
    degrees: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value and where its error comes from.

    Attributes:
        value: in the unit that the holding field's name carries.
        errors: one part for each (origin, part).
    """

    value: float
    errors: tuple[ErrorPart, ...] = ()

    @property
    def standard_error(self) -> float:
        """One standard deviation of the value."""
        return math.sqrt(sum(part.error**2 for part in self.errors))

    @property
    def degrees(self) -> float:
        """Effective degrees of freedom, never below one.

        Source:
            F. E. Satterthwaite, An approximate distribution of estimates of variance components (1946), with the
            variances of one origin taken together, since one standard deviation was estimated for them all.
        """
        variances: dict[tuple[str, float], float] = {}
        for part in self.errors:
            key = part.origin, part.degrees
            variances[key] = variances.get(key, 0.0) + part.error**2
        weight = sum(variance**2 / degrees for (_, degrees), variance in variances.items())
        total = sum(variances.values())
        return max(1.0, total**2 / weight) if weight > 0.0 else math.inf

    @property
    def half_width(self) -> float:
        """Half the width of the 95 % interval."""
        return self.standard_error * t_quantile(self.degrees)

    @property
    def ci95(self) -> tuple[float, float]:
        """The 95 % interval (low, high)."""
        return self.value - self.half_width, self.value + self.half_width

    def scaled(self, factor: float) -> Estimate:
        """The value and its errors times a number that is known."""
        return Estimate(value=factor * self.value, errors=_scaled(self.errors, factor))

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(value=self.value + other.value, errors=_merged(self.errors, other.errors))

    def __sub__(self, other: Estimate) -> Estimate:
        return self + other.scaled(-1.0)

    def __mul__(self, other: Estimate) -> Estimate:
        errors = _merged(_scaled(self.errors, other.value), _scaled(other.errors, self.value))
        return Estimate(value=self.value * other.value, errors=errors)

    def __truediv__(self, other: Estimate) -> Estimate:
        """The quotient.

        Raises:
            ZeroDivisionError: where the other value is 0.
        """
        ratio = self.value / other.value
        errors = _merged(_scaled(self.errors, 1.0 / other.value), _scaled(other.errors, -ratio / other.value))
        return Estimate(value=ratio, errors=errors)


ZERO = Estimate(value=0.0)


def summed(estimates: Iterable[Estimate]) -> Estimate:
    """The sum, with errors that move together added up."""
    parts = tuple(estimates)
    return Estimate(value=sum((part.value for part in parts), 0.0), errors=_merged(*(part.errors for part in parts)))


def weighted(terms: Iterable[tuple[float, Estimate]]) -> Estimate:
    """The sum of estimates, each times a number that is known, with errors that move together added up."""
    value, errors = 0.0, dict[tuple[str, str], list[float]]()
    for factor, estimate in terms:
        value += factor * estimate.value
        for part in estimate.errors:
            found = errors.setdefault((part.origin, part.part), [0.0, part.degrees])
            found[0] += factor * part.error
            found[1] = part.degrees
    return Estimate(
        value=value,
        errors=tuple(
            ErrorPart(origin=origin, part=name, error=error, degrees=degrees)
            for (origin, name), (error, degrees) in errors.items()
        ),
    )


def from_samples(samples: Sequence[float], *, origin: str, part: str = "") -> Estimate:
    """The mean of independent samples, with its standard error.

    Raises:
        ValueError: below two samples, from which no error can be told.
    """
    if len(samples) < 2:
        raise ValueError(f"an error needs at least two samples; found {len(samples)}")
    error = statistics.stdev(samples) / math.sqrt(len(samples))
    return Estimate(
        value=statistics.fmean(samples),
        errors=(ErrorPart(origin=origin, part=part, error=error, degrees=len(samples) - 1.0),),
    )


def _scaled(errors: Iterable[ErrorPart], factor: float) -> tuple[ErrorPart, ...]:
    return tuple(
        ErrorPart(origin=part.origin, part=part.part, error=factor * part.error, degrees=part.degrees)
        for part in errors
    )


def _merged(*lists: Iterable[ErrorPart]) -> tuple[ErrorPart, ...]:
    found: dict[tuple[str, str], ErrorPart] = {}
    for part in (part for parts in lists for part in parts):
        known = found.get((part.origin, part.part))
        error = part.error if known is None else known.error + part.error
        found[part.origin, part.part] = ErrorPart(origin=part.origin, part=part.part, error=error, degrees=part.degrees)
    return tuple(found.values())
