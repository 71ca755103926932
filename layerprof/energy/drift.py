"""How much power wandered from one round of windows to the next, for all loads alike.

Warmth, a regulator or a neighbour moves the power of every load together, over tens of seconds. Windows of one load
that are taken soon after one another then agree better than they should: their spread shows the noise and hides the
drift. Loads that were measured in the same rounds show it, for a drift moves them all in the same round.

    log P(load, round) = level(load) + drift(round) + noise
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerprof.estimates import ErrorPart, Estimate

# Share of the variance between rounds that is taken to be the same in all of a load's windows. A drift whose
# correlation falls to 1/e within one or two rounds has a mean correlation r of 1/4 to 1/2 between three to five of
# them; the variance that is seen is (1 - r) of the true one, and their mean keeps r of it: r / (1 - r) is 1/3 to 1.
_KEPT = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What drift leaves in the mean of all windows.

    Attributes:
        error_rel: one standard deviation, as a fraction of power.
        degrees: of freedom that it was estimated with.
    """

    error_rel: float = 0.0
    degrees: float = math.inf

    def added_to(self, power: Estimate) -> Estimate:
        """The estimate with this error, which all estimates of the session share."""
        if not self.error_rel:
            return power
        part = ErrorPart(origin="drift", part="", error=self.error_rel * power.value, degrees=self.degrees)
        return power + Estimate(value=0.0, errors=(part,))


def drift_of(rounds: Sequence[Sequence[float]]) -> Drift:
    """The drift that loads have in common.

    Args:
        rounds: of each load, its power in the first round, the second, and so on, as far as it was measured. A load
            with a power that is not above 0, as after a counter's reset, is left out: it has no logarithm.

    Returns:
        No drift where fewer than two loads were measured in three rounds, for then it cannot be told from noise.

    Source:
        A two-way layout with one effect for each load and each round; the variance between rounds is that of the
        estimated effects less what noise puts into them (H. Scheffe, The analysis of variance (1959), chapter 4).
    """
    rounds = [powers for powers in rounds if powers and all(0.0 < power < math.inf for power in powers)]
    count = max(map(len, rounds), default=0)
    places = [(load, turn) for load, powers in enumerate(rounds) for turn in range(len(powers))]
    freedom = len(places) - len(rounds) - count + 1
    if count < 3 or sum(len(powers) == count for powers in rounds) < 2 or freedom < 1:
        return Drift()
    logs = np.array([math.log(rounds[load][turn]) for load, turn in places])
    design = np.zeros((len(places), len(rounds) + count))
    for row, (load, turn) in enumerate(places):
        design[row, load] = design[row, len(rounds) + turn] = 1.0
    inverse = np.linalg.pinv(design.T @ design)
    effects = (inverse @ design.T @ logs)[len(rounds) :]
    misfit = logs - design @ (inverse @ design.T @ logs)
    centred = np.eye(count) - 1.0 / count
    noise = float(np.trace(centred @ inverse[len(rounds) :, len(rounds) :] @ centred)) / (count - 1)
    between = float(np.var(effects, ddof=1)) - float(misfit @ misfit) / freedom * noise
    return Drift(error_rel=math.sqrt(max(0.0, _KEPT * between)), degrees=count - 1.0)
