"""What the measurements of ceilings share: the bench they are done on, and the shortest time of a piece of work.

    one run ── how long? ── enough runs for a sample ── sample, sample, … until the budget is spent ── the shortest
     (warms up)

Other work on the machine only ever makes a sample longer, so the shortest is nearest to what the device can do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from layerprof.clock import Clock

# Of back-to-back runs: on a CPU far above the clock's resolution and below a time slice, so that some samples pass
# undisturbed on a busy machine; on a GPU far above the cost of waiting for it.
_SAMPLE_S = {"cpu": 1e-3, "cuda": 1e-2}
_MOST_RUNS = 1000  # in one sample: a GPU holds about as many launches before the host has to wait for it
_NS_PER_S = 10**9
MAY_BE_CACHED = ", of which a cache may hold part: too little memory is free for more"  # ends how a copy was timed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One number with how it was got.

    Attributes:
        value: in the unit of what was asked; None where it could not be measured.
        how: the sizes it was measured with, or why it could not be.
    """

    value: float | None
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A device and what it takes to measure it.

    Attributes:
        device: that the work runs on.
        name: its own name.
        cpu: the name of the processor that launches the work.
        cores: how many of its logical cores may be used.
        settle: waits until the device has done what was launched.
        available_bytes: how much can still be allocated on it; None where not known.
        load: how many processes wanted a core in the last minute; None where not known.
        clock: that times are read from.
    """

    device: torch.device
    name: str
    cpu: str
    cores: int
    settle: Callable[[], None]
    available_bytes: Callable[[], int | None]
    load: Callable[[], float | None]
    clock: Clock

    def best_s(self, work: Callable[[], object], *, budget_s: float) -> float:
        """The shortest time of one run of ``work`` in samples of back-to-back runs; at least one follows the warm-up.

        Args:
            work: launches it.
            budget_s: after which no new sample is begun.
        """
        sample_s = _SAMPLE_S[self.device.type]
        end_ns = self.clock.now_ns() + round(budget_s * _NS_PER_S)
        best_s = self._sample_s(work, runs=1)
        while True:
            runs = min(max(math.ceil(sample_s / best_s), 1), _MOST_RUNS)
            best_s = min(best_s, self._sample_s(work, runs=runs))
            if self.clock.now_ns() >= end_ns:
                return best_s

    def _sample_s(self, work: Callable[[], object], *, runs: int) -> float:
        self.settle()
        start_ns = self.clock.now_ns()
        for _ in range(runs):
            work()
        self.settle()
        return max(self.clock.now_ns() - start_ns, 1) / _NS_PER_S / runs
