"""What was found out about a counter is kept for as long as the process lives, by the counter's identity.

Finding out takes half a minute of load on the device. How a counter ticks, how late it is and what reading does to it
are its own and its driver's, which do not change under a running process, so a second profile in it need not wait
again. What it said of the moment or of the load (powers, how it compared with another sensor, a leap, a reset) is not
kept, and a trial that came to something of the kind is made again. It is not kept on disk: a new driver, another tenant
or another board behind the same index would make it wrong without a sign.
"""

from __future__ import annotations

import threading
from dataclasses import replace

from layerprof.energy.base import SourceFacts
from layerprof.records import EnergyCounter

_OF_THE_COUNTER = frozenset({"counter_read_rate_sensitive", "reads_slow", "tick_not_found", "estimated"})
_FROZEN = "counter_frozen"  # the one rejection that stays true

_lock = threading.Lock()
_kept: dict[tuple[str, str], EnergyCounter] = {}


def kept_counter(facts: SourceFacts) -> EnergyCounter | None:
    """What was found out before about this very counter, without what was of that load and moment; or None."""
    with _lock:
        return _kept.get((facts.identity, facts.domain))


def keep_counter(facts: SourceFacts, counter: EnergyCounter) -> None:
    """Keeps what was found out, if it will still be true."""
    codes = {note.code for note in counter.findings}
    own = _OF_THE_COUNTER | {note.code for note in facts.notes}
    if codes - own and not (counter.verdict == "rejected" and _FROZEN in codes):
        return
    with _lock:
        _kept[facts.identity, facts.domain] = replace(
            counter, load_w=None, active_idle_w=None, idle_w=None, power_ratio=None
        )


def forget_counters() -> None:
    """Forgets all, as tests need, or a process that has moved to another device."""
    with _lock:
        _kept.clear()
