"""What is noticed while joules are counted: drift, faults of the counter, rhythms, and what was left out."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from layerprof.energy import WatchedSource, Window, power_of
from layerprof.measure.energy.base import UnitKey
from layerprof.records import EnergyCounter, LayerInfo, Note

_DRIFT = 0.02  # of the reference's power from the first window to the last
_TICKS = (0.1, 10.0)  # step times, in ticks, that may keep step with a counter
_RHYTHM = 0.02  # of power, beyond the errors, by which steps with pauses differ from others


def notes_on_drift(reference: Sequence[Window]) -> tuple[Note, ...]:
    """Of the first and the last window of the reference."""
    if len(reference) < 2:
        return ()
    first, last = reference[0].power_w, reference[-1].power_w
    if abs(last / first - 1.0) <= _DRIFT:
        return ()
    text = f"the same layer took {last:.3g} W at the end and {first:.3g} W at the beginning"
    return (Note(code="energy_drift", quantity="energy", scope="*", text=text),)


def notes_on_faults(source: WatchedSource) -> tuple[Note, ...]:
    """What the counter did while it was read."""
    faults = {"counter_reset": (source.resets, "went back"), "counter_jump": (source.jumps, "leapt ahead")}
    return tuple(
        Note(
            code=code,
            quantity="energy",
            scope="step",
            text=f"{source.facts.name} {what} {count} times in use; a window in which it did was taken again",
        )
        for code, (count, what) in faults.items()
        if count
    )


def notes_on_time(left_out: int, most_s: float) -> tuple[Note, ...]:
    """Of replays that did not fit into the time."""
    if not left_out:
        return ()
    text = (
        f"replays of {left_out} sampled layers would have taken longer than {most_s:.0f} s; "
        "give EnergyOptions(max_s=...) for them"
    )
    return (Note(code="energy_time", quantity="energy", scope="*", text=text),)


def notes_on_failed(failed: Mapping[Hashable, str], layers: Sequence[LayerInfo]) -> tuple[Note, ...]:
    """Of layers whose replays ended before their time."""
    paths = {key: layers[key.layer].path if isinstance(key, UnitKey) else "step" for key in failed}
    return tuple(
        Note(code="not_replayed", quantity="energy", scope=paths[key], text=f"its windows ended early ({why})")
        for key, why in failed.items()
    )


def may_keep_step(step_s: float, counter: EnergyCounter) -> bool:
    """Whether steps of such a length may keep step with a counter that looks now and then."""
    if counter.estimator not in ("ticks", "edges") or not counter.tick_s:
        return False
    return _TICKS[0] < step_s / counter.tick_s < _TICKS[1]


def notes_on_rhythm(
    paused: Sequence[Window], paused_s: float, *, steps: Sequence[Window], step_s: float, idle: Sequence[Window]
) -> tuple[Note, ...]:
    """Of steps that keep step with the counter.

    Args:
        paused: windows of steps with random pauses before them.
        paused_s: of a pause, the mean.
        steps: windows of steps without pauses.
        step_s: of a step.
        idle: windows without work.
    """
    busy, rest = power_of(steps, origin="windows of steps"), power_of(idle, origin="idle")
    expected = (busy.scaled(step_s) + rest.scaled(paused_s)).scaled(1.0 / (step_s + paused_s))
    apart = power_of(paused, origin="windows of paused steps") - expected
    if abs(apart.value) <= apart.half_width + _RHYTHM * expected.value:
        return ()
    text = (
        f"steps with random pauses took {apart.value:+.3g} W against what steps and pauses take apart: the counter "
        "looks now and then, and the model's rhythm keeps step with it"
    )
    return (Note(code="phase_locked", quantity="energy", scope="step", text=text),)
