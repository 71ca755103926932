"""A power sensor as a source of joules: its readings summed over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from layerprof.clock import Clock
    from layerprof.energy.base.sources import DeviceState, SourceFacts


@runtime_checkable
class ShowsPower(Protocol):
    """A source that knows the last power it read, from which one can tell how often its sensor gives a new value."""

    @property
    def last_w(self) -> float | None:
        """The last power that was read, or None before."""
        ...


class PolledEnergy:
    """Joules from a power sensor, by the trapezoids between its readings.

    What lies between two readings is not seen, so it must be read at least every ``facts.poll_s``.

    Args:
        facts: of the source; ``poll_s`` is not None.
        read_w: the sensor's power now.
        state: the device's state now.
        clock: where time comes from.
    """

    def __init__(
        self, facts: SourceFacts, read_w: Callable[[], float], state: Callable[[], DeviceState], clock: Clock
    ) -> None:
        self.facts = facts
        self._read_w = read_w
        self._state = state
        self._now_ns = clock.now_ns
        self._last: tuple[int, float] | None = None
        self._joules = 0.0

    @property
    def last_w(self) -> float | None:
        """The last power that was read, or None before."""
        return None if self._last is None else self._last[1]

    def read_j(self) -> float:  # noqa: D102 - as `EnergySource`
        power_w, now_ns = self._read_w(), self._now_ns()
        if self._last is not None:
            last_ns, last_w = self._last
            self._joules += (last_w + power_w) / 2.0 * (now_ns - last_ns) / 1e9
        self._last = now_ns, power_w
        return self._joules

    def state(self) -> DeviceState:  # noqa: D102 - as `EnergySource`
        return self._state()

    def close(self) -> None:  # noqa: D102 - as `EnergySource`
        self._last = None
