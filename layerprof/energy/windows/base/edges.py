"""A window from edge to edge: one reading where it begins, one where it ends.

    ── pre-roll ──┤ settle ├─ lot ─┬── lots ───────────────────┬─ settle ─┬─ lot ─┬─ idle
                                opening                             closing   state

The count is up to a tick old at either end. With a length that is drawn from [W, W + T), the two ages are independent,
each uniform over a tick T, so the error of the joules is triangular with a standard deviation of P T / sqrt(6), and no
length of a call can make it worse. The opening reading is taken while the first lot runs, so that the device does not
wait for it.
"""

from __future__ import annotations

from layerprof.energy.windows.base.base import Probe, Run, Taken

_LEAST_CALLS = 2  # in a window: one that is longer than it would else be the window


def between_edges(run: Run, probe: Probe, seconds: float, *, tick_s: float, is_polled: bool) -> Taken:
    """A window of at least so many seconds, over a load that already ran for the pre-roll.

    Args:
        run: of the load; afterwards it has the calls and the time.
        probe: of the counter.
        seconds: how long.
        tick_s: of the counter.
        is_polled: whether it has to be read after every lot.
    """
    run.begin()
    run.launch()
    opening = probe.read()
    run.keep(seconds, since_ns=opening.at_ns, least_calls=_LEAST_CALLS, each=probe.read if is_polled else None)
    closing, state = run.close(probe)
    return Taken(opening=opening, closing=closing, blur_s=tick_s, state=state)
