"""The device's power while the recorded steps run: a counter of joules read now and then on a thread of its own.

    readings:   J ──── J ──── J' ──── J' ──── J''        power between two moments at which the counter had moved

It is for the eye, on the traces' own time; joules of layers come from the energy pass alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import numpy as np

from layerprof.attribute import OpEvents, Samples
from layerprof.energy import EnergySource

PERIOD_S = 0.01  # a tenth of the time between two ticks of a GPU's counter; a reading takes tens of microseconds

_NS_PER_S = 1e9


class PowerSampler:
    """Reads a source of joules while something else runs.

    Args:
        source: that nobody else reads meanwhile; it stays its owner's.
        now_ns: nanoseconds since 1970, the clock of torch's profiler.
        period_s: between two readings.
    """

    def __init__(
        self, source: EnergySource, *, now_ns: Callable[[], int] = time.time_ns, period_s: float = PERIOD_S
    ) -> None:
        self._source = source
        self._now_ns = now_ns
        self._period_s = period_s
        self._readings: list[tuple[int, float]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Reads at once, then once a period inside the block, and once more at its end."""
        ended = threading.Event()
        thread = threading.Thread(target=self._read_until, args=(ended,), name="layerprof power", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def added_to(self, events: OpEvents) -> OpEvents:
        """The events with the power that was read during them; as they are where the counter hardly moved."""
        samples = _since(int(events.step_start_ns[0]), power_between(self._readings))
        if not samples:
            return events
        facts = self._source.facts
        name = f"power of the {facts.domain} (W), {facts.name}, {facts.kind}"
        times_ns, watts = zip(*samples, strict=True)
        return _with_samples(events, name, times_ns, watts)

    def read(self) -> bool:
        """One reading; whether the source answered."""
        try:
            self._readings.append((self._now_ns(), self._source.read_j()))
        except Exception:  # of whatever kind: the energy pass meets it too, and tells of it
            return False
        return True

    def _read_until(self, ended: threading.Event) -> None:
        while self.read() and not ended.wait(self._period_s):
            pass
        self.read()


def power_between(readings: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """(time, watts) from each time at which the counter had moved on; the last pair repeats the power at its end.

    What came before the counter's first move is left out: how long it had stood is not known. So is what lies around a
    move backwards, after which the counter begins anew.

    Args:
        readings: (nanoseconds, joules) in order.
    """
    moves = [after for before, after in pairwise(readings) if after[1] != before[1]]
    powers = [
        (begin_ns, (end_j - begin_j) / (end_ns - begin_ns) * _NS_PER_S)
        for (begin_ns, begin_j), (end_ns, end_j) in pairwise(moves)
        if end_ns > begin_ns and end_j > begin_j
    ]
    return [*powers, (moves[-1][0], powers[-1][1])] if powers else []


def _since(start_ns: int, samples: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """The samples from a moment on, with the one that was in force then."""
    before = sum(time_ns <= start_ns for time_ns, _ in samples)
    return samples[max(before - 1, 0) :]


def _with_samples(events: OpEvents, name: str, times_ns: tuple[int, ...], watts: tuple[float, ...]) -> OpEvents:
    samples = Samples(
        name=np.full(len(times_ns), len(events.strings), dtype=np.int64),
        time_ns=np.asarray(times_ns, dtype=np.int64),
        value=np.asarray(watts, dtype=np.float64),
    )
    return replace(events, strings=(*events.strings, name), samples=samples)
