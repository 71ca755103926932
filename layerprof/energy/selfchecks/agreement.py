"""What is the same comes out the same: twice the same load, two sources over one window, now and later."""

from __future__ import annotations

from layerprof.energy.base import is_too_long
from layerprof.energy.selfchecks.base import Bench, Leeway, SelfCheck, Watched, compared, not_made
from layerprof.estimates import Estimate, from_samples

_TWINS = "ABBAABBAAB"  # the order cancels a steady drift but for a tenth of it
_WATCHED_WINDOWS = 4
_ROUND = 5
_TWIN_SLACK_REL = 0.002  # rounding, where windows repeat exactly
_SOURCE_SLACK_REL = 0.05  # sensors differ by a few percent in what they average; also the bound of qualification
_DRIFT_SLACK_REL = 0.02  # of a reference from the beginning of a session to its end
_MOST_REL = 0.2

_ONE = Estimate(value=1.0)


def twins(bench: Bench) -> SelfCheck:
    """Two loads that are the same cannot be told apart; what could be told apart is in the detail."""
    powers_w: dict[str, list[float]] = {"A": [], "B": []}
    for twin in _TWINS:
        powers_w[twin].append(bench.meter.measure(bench.load, bench.call_s).power_w)
    first, second = (from_samples(samples, origin=twin) for twin, samples in powers_w.items())
    difference = (first - second).scaled(1.0 / second.value)
    return compared(
        "twins",
        difference,
        Estimate(value=0.0),
        leeway=Leeway(slack=_TWIN_SLACK_REL, most=_MOST_REL),
        quantity="share",
        detail=f"difference of one load's power from itself; a difference below {difference.half_width:.2%} between "
        f"two loads cannot be told with {len(powers_w['A'])} windows of each",
    )


def two_sources(bench: Bench) -> SelfCheck:
    """The counter's power over that of the power sensor, over the same windows, is 1."""
    name, quantity = "two_sources", "ratio"
    if bench.power is None:
        return not_made(name, quantity, "there is no power sensor beside the counter")
    poll_s = bench.power.facts.poll_s or bench.meter.plan.poll_s
    if is_too_long(bench.call_s, poll_s):
        return not_made(name, quantity, f"calls are longer than the power sensor's {poll_s:.3g} s between two readings")
    ratios = []
    for _ in range(_WATCHED_WINDOWS):
        watched = Watched(bench.load, max(1, int(poll_s / bench.call_s)), bench.power, bench.meter.clock)
        window = bench.meter.measure(watched, bench.call_s)
        polled_w = watched.power_w(window.start_ns, window.end_ns)
        if not polled_w:
            return not_made(name, quantity, "the power sensor showed nothing while the load ran")
        ratios.append(window.power_w / polled_w)
    return compared(
        name,
        from_samples(ratios, origin="ratio"),
        _ONE,
        leeway=Leeway(slack=_SOURCE_SLACK_REL, most=_MOST_REL),
        quantity=quantity,
        detail=f"power by the counter over power by {bench.power.facts.name}; the gain of a sensor that both share "
        "does not show",
    )


def repeatability(bench: Bench) -> SelfCheck:
    """The load takes the power at the end that it took at the beginning."""
    last = bench.meter.measure_many(bench.load, bench.call_s, _ROUND)
    ends = from_samples([window.power_w for window in last], origin="last")
    begins = from_samples([window.power_w for window in bench.first], origin="first")
    return compared(
        "repeatability",
        ends / begins,
        _ONE,
        leeway=Leeway(slack=_DRIFT_SLACK_REL, most=_MOST_REL),
        quantity="ratio",
        detail=f"power of one load after all checks over that before them: {ends.value:.4g} W, {begins.value:.4g} W",
    )
