"""Windows of many loads, in rounds: each load once a round, in random order, so that drift falls on all alike.

reference ─▶ round 1: C A B idle ─▶ round 2: B C A idle ─▶ … ─▶ reference
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from layerprof.energy import Load, SourceError, Window, WindowMeter, WindowPlan

_REFERENCE = "reference"
_OF_A_LOAD = ("polls_too_sparse", "reads_too_sparse")  # what a source cannot do for calls that are too long

Tell = Callable[[int, int | None], None]  # (windows done, windows to do)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Windows that are wanted of one load.

    Attributes:
        load: that runs in them.
        call_s: seconds of one of its calls.
        count: of windows.
    """

    load: Load
    call_s: float
    count: int

    def cost_s(self, plan: WindowPlan) -> float:
        """About how long its windows take."""
        return self.count * plan.cost_s(self.call_s)


@dataclass(slots=True)
class Taken:
    """The windows of all rounds.

    Attributes:
        windows: by the series' keys, in order.
        idle: without work, one a round.
        reference: of the same load, before the first round and after the last.
        failed: why a series ended before its time, by its key.
    """

    windows: dict[Hashable, list[Window]] = field(default_factory=dict)
    idle: list[Window] = field(default_factory=list)
    reference: list[Window] = field(default_factory=list)
    failed: dict[Hashable, str] = field(default_factory=dict)
    _latest: list[Window] | None = None

    def add(self, window: Window, to: list[Window]) -> None:
        """A window that was taken."""
        to.append(window)
        self._latest = to

    def drop_latest(self) -> None:
        """Forgets the last window that was taken."""
        if self._latest:
            self._latest.pop()
        self._latest = None

    def all(self) -> list[Window]:
        """Every window, in no particular order."""
        return [*self.idle, *self.reference, *(window for windows in self.windows.values() for window in windows)]


def take_rounds(
    meter: WindowMeter,
    series: Mapping[Hashable, Series],
    taken: Taken,
    *,
    reference: Series,
    draw: random.Random,
    tell: Tell,
) -> None:
    """Takes the windows of every series; what was taken stays in ``taken``, whatever happens.

    A series whose load raises, or whose windows cannot be taken, ends there; the others go on.

    Args:
        meter: that takes them.
        series: what is wanted.
        taken: filled as it goes.
        reference: a load that is measured first and last.
        draw: of the order.
        tell: is called after each window.

    Raises:
        SourceError: where the counter does not answer any more.
    """
    total = sum(one.count for one in series.values())
    _refer(meter, reference, taken)
    for number in range(max((one.count for one in series.values()), default=0)):
        for key in _order(series, number, draw):
            _take(meter, key, series[key], taken)
            tell(sum(map(len, taken.windows.values())), total)
        taken.add(meter.idle(meter.plan.window_s), taken.idle)
    _refer(meter, reference, taken)


def _refer(meter: WindowMeter, reference: Series, taken: Taken) -> None:
    """A window of the reference; without one the session has no drift to show, and nothing else is lost."""
    kept = Taken()
    _take(meter, _REFERENCE, reference, kept)
    taken.reference.extend(kept.windows.get(_REFERENCE, ()))


def _take(meter: WindowMeter, key: Hashable, one: Series, taken: Taken) -> None:
    if key in taken.failed:
        return
    try:
        window = meter.measure(one.load, one.call_s)
    except SourceError as error:
        if error.code not in _OF_A_LOAD:  # the counter's own, which ends the session
            raise
        taken.failed[key] = str(error)
    except Exception as error:  # whatever a layer raises that is called outside of its model, or a plan refuses
        taken.failed[key] = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
    else:
        taken.add(window, taken.windows.setdefault(key, []))


def _order(series: Mapping[Hashable, Series], number: int, draw: random.Random) -> Sequence[Hashable]:
    keys = [key for key, one in series.items() if one.count > number]
    draw.shuffle(keys)
    return keys
