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

_CLEAR_ERRORS = 3.0  # standard errors of a process's own median
_CLEAR_SHARE = 0.03  # of the median; the least effect that a comparison calls one


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


def median_over_processes(
    medians: Sequence[float], intervals: Sequence[tuple[float, float] | None]
) -> tuple[float, tuple[float, float] | None]:
    """The median of the medians that several processes measured, with its 95 % interval.

    Steps of one process share its memory layout, its caches and its minute, so their interval tells nothing of another
    process. The interval here is around the mean of the medians, half as wide as the larger of

        t(0.975, R - 1) s / sqrt(R)     from how the R medians differ, with Student's t
        w / sqrt(R)                     from the processes' own intervals, w being the root of their mean square

    and is extended to the value where that lies outside. Of one process it is the process's own.

    Args:
        medians: one a process.
        intervals: of each, or None where it has none.

    Returns:
        The value, and its interval; None where one process has none.

    Raises:
        ValueError: where there is no process.

    Source:
        Intervals from runs in fresh processes: A. Georges, D. Buytaert, L. Eeckhout, Statistically Rigorous Java
        Performance Evaluation (2007), sections 3.2 and 3.3. The larger of the two keeps two or three medians that
        happen to agree from claiming more than each of them knows.

    Limits:
        Medians are taken as normally distributed over processes; strongly skewed ones are covered less often.
    """
    value, count = statistics.median(medians), len(medians)
    if count == 1:
        return value, intervals[0]
    mean, spread = _mean_and_spread(medians)
    own = within_processes(intervals)
    half = max(t_quantile(count - 1.0) * spread, own or 0.0) / math.sqrt(count)
    return value, (min(mean - half, value), max(mean + half, value))


def ratio_interval(
    over: tuple[float, float | None, float | None], under: tuple[float, float | None, float | None]
) -> tuple[float, float] | None:
    """The 95 % interval of a ratio of two numbers that were measured apart from each other.

    Args:
        over: the number that is divided, with the ends of its interval, or None for them.
        under: the number by which.

    Returns:
        None where one of the two has no interval, or one that reaches 0.

    Source:
        G. Y. Zou and A. Donner, Construction of confidence limits about effect measures: a general approach (2008),
        equations 3 and 4, for the difference of two logarithms: the distance from a limit is the root of the sum of
        the squares of the two distances.
    """
    (value, low, high), (other, other_low, other_high) = over, under
    if low is None or high is None or other_low is None or other_high is None:
        return None
    if min(low, other_low, value, other) <= 0.0:
        return None
    down = math.hypot(math.log(value / low), math.log(other_high / other))
    up = math.hypot(math.log(high / value), math.log(other / other_low))
    return value / other * math.exp(-down), value / other * math.exp(up)


def within_processes(intervals: Iterable[tuple[float, float] | None]) -> float | None:
    """Half the width of a typical process's own interval, the root of their mean square; None where none has one."""
    halves = [(interval[1] - interval[0]) / 2.0 for interval in intervals if interval is not None]
    return math.sqrt(sum(half * half for half in halves) / len(halves)) if halves else None


def do_processes_differ(medians: Sequence[float], intervals: Sequence[tuple[float, float] | None]) -> bool:
    """Whether processes differ clearly more than their own intervals allow.

    They do where the standard deviation of their medians is above three standard errors of a process's own median,
    which happens to equal processes less than once in 300 sweeps of a cell, and the medians lie more than 3 % apart,
    below which nobody would decide otherwise.

    Args:
        medians: one a process.
        intervals: of each, or None where it has none.
    """
    own = within_processes(intervals)
    if len(medians) < 2 or own is None:
        return False
    _, spread = _mean_and_spread(medians)
    is_beyond_own = spread > _CLEAR_ERRORS * own / _QUANTILES[-1][1]
    return is_beyond_own and max(medians) - min(medians) > _CLEAR_SHARE * abs(statistics.median(medians))


def _mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """The mean and the standard deviation of a sample of at least two; many times quicker than exact fractions."""
    mean = math.fsum(values) / len(values)
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


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
