"""What the energy pass costs in time, and whether its books close, on BLIP-2 at full geometry.

Machines without a counter have a stand-in: joules of a made-up processor that draws so much idle and so much for each
second of processor time of this process, shown every 100 ms like a GPU's. It is real work in real time under a counter
that is coarse, so what is shown is the pass and not the joules, which are nobody's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from blip2 import full
from lines import Goal, Line, as_ratio, as_seconds, line_of

import layerprof as lp
from layerprof.energy import DeviceState, SourceFacts

TICK_S = 0.1
IDLE_W, BUSY_W = 30.0, 40.0  # of the whole, and of each core at work
MOST_S = 480.0


class ProcessorTime:
    """A counter made of this process's processor time.

    It keeps a thread that wakes ten times a second; `close` ends it.
    """

    facts = SourceFacts(
        name="processor_time", domain="cpu_package", device="made up", identity="processor time", nominal_tick_s=TICK_S
    )

    def __init__(self) -> None:
        self._began_s = time.perf_counter()
        self._joules = 0.0
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()

    def read_j(self) -> float:
        """The count at the last tick."""
        return self._joules

    def state(self) -> DeviceState:
        """Nothing is known."""
        return DeviceState()

    def close(self) -> None:
        """Ends the thread."""
        self._is_closed.set()
        self._thread.join()

    def _tick(self) -> None:
        while not self._is_closed.wait(TICK_S):
            passed_s = time.perf_counter() - self._began_s
            self._joules = IDLE_W * passed_s + BUSY_W * time.process_time()


def lines() -> Iterator[Line]:
    """The time that the pass takes, and its closure."""
    model, inputs = full()
    profile = lp.profile(
        model, inputs, passes=("time", "energy"), warmup=1, repeats=6, energy=ProcessorTime(), progress=True
    )
    if profile.energy is None or profile.energy.closure is None:
        reason = next(note.text for note in profile.notes if note.quantity == "energy")
        yield Line(what="energy pass", number="-", interval="", goal="", verdict="missed", note=reason)
        return
    units = sum(unit.kind == "replayed" for unit in profile.energy.units)
    note = f"{units} distinct layers of blip2-opt-2.7b in bfloat16, by a made-up counter that ticks every 100 ms"
    seconds = profile.energy.duration_s
    yield line_of("energy pass, all blocks", [seconds], as_seconds, goal=Goal(bound=MOST_S), note=note)
    yield line_of("parts over the whole", [profile.energy.closure.ratio], as_ratio, note="closure, never forced to 1")
