"""The time pass on BLIP-2 at full geometry: by what one call costs times the calls, and by steps taken in turn."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from blip2 import full, step_of
from hooks import added, steps_in_turn
from lines import Goal, Line, as_ratio, as_seconds, line_of, ratios

PAIRS = 8  # of bare steps and timed ones
WHAT = "time pass, step of blip2-opt-2.7b in bf16"


def lines() -> Iterator[Line]:
    """What the hooks add to a step of a large model."""
    model, inputs = full()
    steps = steps_in_turn(model, step_of(model, inputs), rounds=PAIRS)
    a_call_s = statistics.median(added().ours_s)
    yield line_of("bare step of blip2-opt-2.7b in bf16", steps.bare_s, as_seconds, note=f"{steps.calls} module calls")
    yield line_of(
        WHAT,
        [1 + a_call_s * steps.calls / bare_s for bare_s in steps.bare_s],
        lambda ratio: f"{ratio:.5f} ×",
        goal=Goal(bound=1.01),
        note=f"by what a call costs: 1 + {as_seconds(a_call_s)} for each of {steps.calls} calls over a bare step",
    )
    yield line_of(WHAT, ratios(steps.timed_s, steps.bare_s), as_ratio, note=f"{PAIRS} pairs of steps, ABBA")
