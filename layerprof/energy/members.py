"""Power of all members of a class of like layers, from that of a few."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from layerprof.estimates import ErrorPart, Estimate

SPREAD_UNKNOWN = "spread_unknown"  # the flag of a class of which a single member was measured

_COMMON = "mean of the sampled"  # the part that members which were not measured share


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPowers:
    """Powers of the members of a class.

    Attributes:
        powers: power of each, in watts, in the order of the members.
        spread_w: standard deviation from one measured member to the next, the windows' own noise among it; None
            where a single one was measured.
        flags: ``spread_unknown`` where a single member stands for others.
    """

    powers: Mapping[str, Estimate]
    spread_w: float | None
    flags: tuple[str, ...] = ()


def member_powers(sampled: Mapping[str, Estimate], members: Sequence[str], *, origin: str) -> MemberPowers:
    """Power of every member: of measured ones their own, of others the mean of the measured ones.

    With k measured members and a spread s between them, a member that was not measured is off by s (it is another
    member) and by s / sqrt(k) (so is the mean); the first is its own, the second is the same for all of them. Both come
    from one standard deviation with k - 1 degrees of freedom.

    Args:
        sampled: power of each measured member.
        members: of the class, the measured ones among them.
        origin: what the spread is from; a name that no other error has.

    Raises:
        ValueError: where no member was measured.

    Limits:
        With two of them the interval is wide (t = 12.7), and says so rightly. With a single one nothing is known of
        the others: they get its estimate as it is, and the flag.

    Source:
        The prediction interval of a further observation, s sqrt(1 + 1/k), as in any text (NIST/SEMATECH e-Handbook,
        7.2.6 and 4.5.1).
    """
    if not sampled:
        raise ValueError(f"powers of {len(members)} members were asked for, of which none was measured")
    others = [member for member in members if member not in sampled]
    if len(sampled) == 1:
        (only,) = sampled.values()
        flags = (SPREAD_UNKNOWN,) if others else ()
        return MemberPowers(powers=dict.fromkeys(members, only), spread_w=None, flags=flags)
    values_w = [estimate.value for estimate in sampled.values()]
    spread_w = statistics.stdev(values_w)
    predicted = {member: _predicted(values_w, spread_w, member, origin) for member in others}
    powers = {member: sampled[member] if member in sampled else predicted[member] for member in members}
    return MemberPowers(powers=powers, spread_w=spread_w)


def _predicted(values_w: Sequence[float], spread_w: float, member: str, origin: str) -> Estimate:
    """The mean, with the error of taking it for a member that is not among the measured ones."""
    degrees = len(values_w) - 1.0
    common_w = spread_w / math.sqrt(len(values_w))
    return Estimate(
        value=statistics.fmean(values_w),
        errors=(
            ErrorPart(origin=origin, part=_COMMON, error=common_w, degrees=degrees),
            ErrorPart(origin=origin, part=member, error=spread_w, degrees=degrees),
        ),
    )
