"""The notes that say why a quantity is None: one for each (quantity, scope)."""

from __future__ import annotations

from collections.abc import Iterator

from layerprof.attribute.base import RawTrace
from layerprof.records import Note

_QUANTITIES_BY_PASS = {
    "time": ("total_s", "self_s", "concurrent_s"),
    "flops": ("flops", "self_flops", "causal_flops"),
    "memory": ("output_bytes", "allocated_bytes", "peak_bytes"),
}
_RECORD_QUANTITIES_BY_PASS = {
    "time": ("step_s", "unattributed_s"),
    "flops": ("unattributed_flops",),
    "memory": ("memory",),
}
_LATER = "this version of layerprof has no {what} yet"
_QUANTITIES_TO_COME = {
    "ops pass": ("device_total_s", "device_self_s", "ops", "timeline", "unattributed_device_s"),
    "count of the least traffic": ("bytes_moved", "self_bytes_moved"),
    "roofline": ("flops_per_s", "intensity", "bound", "efficiency"),
    "energy pass": ("energy", "self_energy"),
}


def notes_on_missing(raw: RawTrace) -> Iterator[Note]:
    """A note for every quantity that this measurement does not hold."""
    ran = {"time": raw.time is not None, "flops": raw.flops is not None, "memory": raw.memory is not None}
    for name, has_run in ran.items():
        if not has_run:
            yield from _notes_on_pass(name, raw)
    if not any(ran.values()):
        yield Note(code="no_pass", quantity="calls", scope="*", text="no pass that sees calls was run; calls are 0")
    if raw.time is None and raw.flops is None:
        text = "neither the time nor the flops pass was run; add one of them to passes"
        yield Note(code="no_pass", quantity="call_tree", scope="step", text=text)
    if raw.memory is not None:
        for quantity in ("output_bytes", "allocated_bytes"):
            text = "this version of layerprof adds up bytes by layer and stage, not by phase"
            yield Note(code="not_available", quantity=quantity, scope=f"phase {raw.phase}", text=text)
    if not raw.bare_ns:
        yield Note(
            code="no_bare_steps", quantity="latency_s", scope="step", text='no step ran bare; add "bare" to the passes'
        )
    for what, quantities in _QUANTITIES_TO_COME.items():
        for quantity in quantities:
            yield Note(code="not_available", quantity=quantity, scope="*", text=_LATER.format(what=what))
    yield from _notes_on_unseen(raw)


def _notes_on_pass(name: str, raw: RawTrace) -> Iterator[Note]:
    asked = name in raw.spec.passes
    code = "pass_not_finished" if asked else "pass_not_asked"
    text = (
        f"the {name} pass was not reached before the measurement ended"
        if asked
        else f'the {name} pass was not asked for; add "{name}" to passes'
    )
    for quantity in _QUANTITIES_BY_PASS[name]:
        yield Note(code=code, quantity=quantity, scope="*", text=text)
    for quantity in _RECORD_QUANTITIES_BY_PASS[name]:
        yield Note(code=code, quantity=quantity, scope="step", text=text)


def _notes_on_unseen(raw: RawTrace) -> Iterator[Note]:
    """Layers whose calls no hook sees: one note for each quantity and region."""
    for name, measured in (("time", raw.time), ("flops", raw.flops), ("memory", raw.memory)):
        for scope, reason in measured.unseen.scopes if measured else ():
            for quantity in _QUANTITIES_BY_PASS[name]:
                yield Note(code="calls_unseen", quantity=quantity, scope=scope, text=reason)
            if name != "time" and raw.time and scope in dict(raw.time.unseen.scopes):
                yield Note(code="calls_unseen", quantity="calls", scope=scope, text=f"{reason}; calls are 0")
